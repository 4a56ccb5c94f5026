# The environment of every process. settings.json, written from the code, says which process reads which variable; here
# each variable has its value on AWS. null: as the code has it by default, unless var.settings says otherwise.

locals {
  known         = jsondecode(file("${path.module}/settings.json"))
  every_setting = distinct(flatten(values(local.known.processes)))

  api_port         = 8000
  metrics_port     = 9100
  gpu_stop_timeout = 110

  tls           = "sslmode=verify-full&sslrootcert=/certificates/rds.pem"
  kafka_version = tonumber(regex("^[0-9]+\\.[0-9]+", var.kafka.version))

  values = {
    SCRIBE_ENVIRONMENT  = "production"
    SCRIBE_LOG_FORMAT   = "json"
    SCRIBE_LOG_FIELDS   = "aws"
    SCRIBE_METRICS_PORT = local.metrics_port
    # the collector is in the same task
    SCRIBE_METRICS_HOST = "127.0.0.1"

    SCRIBE_KAFKA_BOOTSTRAP = module.kafka.bootstrap_iam
    # MSK's tokens come from the role of the task
    SCRIBE_KAFKA_SECURITY   = "msk-iam"
    SCRIBE_KAFKA_AWS_REGION = local.region
    # brokers check since Kafka 4.3 whose a partition is
    SCRIBE_KAFKA_PARTITION_EPOCHS = local.kafka_version >= 4.3

    # libpq takes the password from PGPASSWORD, which the database's own secret fills
    SCRIBE_POSTGRES_DSN      = "postgresql://scribe@${module.database.address}:${module.database.port}/scribe?${local.tls}"
    SCRIBE_POSTGRES_READ_DSN = var.database.replica ? "postgresql://scribe@${coalesce(module.database.replica_address, "none")}:${module.database.port}/scribe?${local.tls}" : null

    # the address of AWS itself, with the credentials of the task's role
    SCRIBE_S3_BUCKET             = module.storage.bucket
    SCRIBE_S3_REGION             = local.region
    SCRIBE_OBJECT_RETENTION_DAYS = var.object_retention_days

    SCRIBE_API_HOST   = "0.0.0.0"
    SCRIBE_API_PORT   = local.api_port
    SCRIBE_PUBLIC_URL = "https://${var.public_host}"

    ENHANCED_AI_ENDPOINT      = try(var.enhanced_ai.endpoint, null)
    SCRIBE_ENHANCED_AI_KIND   = try(var.enhanced_ai.kind, null)
    SCRIBE_ENHANCED_AI_MODELS = try(var.enhanced_ai.models, null)

    SCRIBE_DEVICE          = "cuda"
    SCRIBE_MODELS_CACHE    = "/models"
    SCRIBE_AUDIO_CACHE_DIR = "/scratch/audio"
    # so much less than ECS waits before it kills, and a spot instance has two minutes
    SCRIBE_DRAIN_SECONDS       = local.gpu_stop_timeout - 35
    SCRIBE_ECS_TASK_PROTECTION = true
  }

  # the connection strings hold no password here, so they are no secrets
  given = merge(
    { for name, value in local.values : name => tostring(value) if value != null },
    var.settings,
  )
  environment = {
    for process, names in local.known.processes : process => {
      for name in names : name => local.given[name]
      if contains(keys(local.given), name) && !contains(keys(local.secret_values), name)
    }
  }

  # what an operator fills once: README.md, "Secrets"
  secrets = merge(
    {
      "webhook-key"      = "Encrypts the secrets of webhook endpoints at rest"
      "rds-certificates" = "Certificates (PEM) by which RDS is recognised in this region"
    },
    var.enhanced_ai == null ? {} : { "enhanced-ai-api-key" = "Key for the enhanced-AI service" },
  )
  secret_values = merge(
    { SCRIBE_WEBHOOK_KEY = module.secrets.arns["webhook-key"] },
    var.enhanced_ai == null ? {} : { ENHANCED_AI_API_KEY = module.secrets.arns["enhanced-ai-api-key"] },
    var.secret_settings,
  )
  process_secrets = {
    for process, names in local.known.processes : process => merge(
      { for name in names : name => local.secret_values[name] if contains(keys(local.secret_values), name) },
      contains(names, "SCRIBE_POSTGRES_DSN") ? { PGPASSWORD = "${module.database.password_secret_arn}:password::" } : {},
    )
  }
}
