# Small: everything but the GPUs on Cloud Run, one database without a standby, spot L4 machines from zero up.

provider "google" {
  project = var.project
  region  = var.region
}

locals {
  name      = "scribe-rabbit"
  processes = ["api", "relay", "persist", "enhance", "webhooks", "dispatcher", "retention", "gpu", "migrations", "topics", "operator", "external-secrets"]
  on_gke    = ["gpu"]

  # what Cloud Run reads, a secret a setting
  secrets = merge({
    SCRIBE_POSTGRES_DSN  = "postgres-dsn"
    SCRIBE_S3_SECRET_KEY = "s3-secret-key"
    SCRIBE_WEBHOOK_KEY   = "webhook-key"
  }, var.kafka_secrets)
  # what External Secrets reads for the overlay, a JSON object a concern
  overlay_secrets = ["kafka", "postgres", "object-store", "outbound", "enhanced-ai", "api"]

  kubernetes_accounts = merge(
    { for process in local.on_gke : process => "scribe-rabbit/scribe-${process}" },
    { external-secrets = "external-secrets/external-secrets" },
  )
}

resource "google_project_service" "this" {
  for_each = toset([
    "artifactregistry", "cloudkms", "compute", "container", "iam", "logging", "managedkafka", "monitoring",
    "pubsub", "run", "secretmanager", "servicenetworking", "sqladmin", "storage",
  ])

  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false
}

module "network" {
  source = "../../modules/network"

  name   = local.name
  region = var.region

  depends_on = [google_project_service.this]
}

module "encryption" {
  source = "../../modules/encryption"

  project = var.project
  name    = local.name
  region  = var.region

  depends_on = [google_project_service.this]
}

module "identity" {
  source = "../../modules/identity"

  project             = var.project
  name                = local.name
  processes           = toset(local.processes)
  kubernetes_accounts = local.kubernetes_accounts
  operators           = var.operators
}

module "registry" {
  source = "../../modules/registry"

  name    = local.name
  region  = var.region
  kms_key = module.encryption.keys["registry"]
  readers = { nodes = "serviceAccount:${module.identity.nodes_email}" }
}

module "settings" {
  source = "../../modules/settings"

  values = merge(var.kafka_settings, {
    SCRIBE_KAFKA_BOOTSTRAP    = module.kafka.bootstrap
    SCRIBE_PUBLIC_URL         = "https://${var.domain}"
    SCRIBE_S3_ACCESS_KEY      = var.s3_access_key
    SCRIBE_S3_BUCKET          = module.objects.bucket
    SCRIBE_S3_ENDPOINT        = module.objects.endpoint
    SCRIBE_S3_REGION          = "auto"
    SCRIBE_UPLOAD_MAX_BYTES   = "32000000" # Cloud Run takes 32 MiB by HTTP/1
    SCRIBE_DRAIN_SECONDS      = "10"       # of the 15 that a spot machine leaves to a pod
    SCRIBE_METRICS_PORT       = "9100"
    SCRIBE_METRICS_HOST       = "0.0.0.0"
    SCRIBE_CHECKPOINT_SECONDS = "60"
  }, var.settings)
  secrets = { for variable, name in local.secrets : variable => "${local.name}-${name}" }
}

module "secrets" {
  source = "../../modules/secrets"

  project = var.project
  name    = local.name
  region  = var.region
  names   = toset(concat(values(local.secrets), local.overlay_secrets, ["postgres-ca"]))
  readers = merge(
    module.settings.secret_readers,
    { for name in local.overlay_secrets : "${local.name}-${name}" => ["external-secrets"] },
    { "${local.name}-postgres-ca" = ["api", "relay", "persist", "enhance", "webhooks", "dispatcher", "retention", "migrations", "topics", "operator", "external-secrets"] },
  )
  members       = module.identity.members
  kms_key       = module.encryption.keys["secrets"]
  pubsub_key    = module.encryption.keys["pubsub"]
  next_rotation = var.next_rotation

  depends_on = [google_project_service.this]
}

module "kafka" {
  source = "../../modules/kafka"

  project       = var.project
  name          = local.name
  region        = var.region
  subnetwork_id = module.network.subnetwork_id
  kms_key       = module.encryption.keys["kafka"]
  principals    = merge({ for process, email in module.identity.emails : process => [email] }, var.kafka_principals)

  depends_on = [google_project_service.this]
}

module "database" {
  source = "../../modules/database"

  name             = local.name
  region           = var.region
  network_id       = module.network.network_id
  kms_key          = module.encryption.keys["database"]
  tier             = "db-custom-2-8192"
  highly_available = false
  retained_backups = 14

  depends_on = [module.network]
}

module "objects" {
  source = "../../modules/objects"

  bucket         = var.bucket
  region         = var.region
  kms_key        = module.encryption.keys["objects"]
  objects_email  = module.identity.objects_email
  retention_days = var.object_retention_days
}

module "cluster" {
  source = "../../modules/cluster"

  project       = var.project
  name          = local.name
  region        = var.region
  zones         = var.zones
  network_id    = module.network.network_id
  subnetwork_id = module.network.subnetwork_id
  nodes_email   = module.identity.nodes_email
  kms_key       = module.encryption.keys["cluster"]
  gpu_pools = {
    l4-spot = { gpu = "l4", max = 4, spot = true }
  }
}

# not before there are images and values of secrets: the second apply makes these
module "api" {
  source = "../../modules/api"
  count  = var.images == null ? 0 : 1

  name               = "${local.name}-api"
  region             = var.region
  domain             = var.domain
  image              = var.images.api
  command            = module.settings.processes["api"].command
  service_account    = module.identity.emails["api"]
  kms_key            = module.encryption.keys["run"]
  environment        = module.settings.environment["api"]
  secret_environment = module.settings.secret_environment["api"]
  postgres_ca_secret = module.secrets.ids["postgres-ca"]
  network_id         = module.network.network_id
  subnetwork_id      = module.network.subnetwork_id
  instances          = { min = 1, max = 4 }
}

module "workers" {
  source = "../../modules/workers"
  count  = var.images == null ? 0 : 1

  name   = local.name
  region = var.region
  pools = {
    relay      = { instances = 1 }
    persist    = { instances = 1 }
    enhance    = { instances = 1 }
    webhooks   = { instances = 1 }
    dispatcher = { instances = 1 }
    retention  = { instances = 1 }
  }
  processes          = module.settings.processes
  images             = { api = var.images.api, streams = var.images.streams }
  token_server_image = var.token_server_image
  service_accounts   = module.identity.emails
  kms_key            = module.encryption.keys["run"]
  environment        = module.settings.environment
  secret_environment = module.settings.secret_environment
  postgres_ca_secret = module.secrets.ids["postgres-ca"]
  network_id         = module.network.network_id
  subnetwork_id      = module.network.subnetwork_id
}

module "alerts" {
  source = "../../modules/alerts"
  count  = var.images == null ? 0 : 1

  project           = var.project
  name              = local.name
  domain            = var.domain
  api_service       = module.api[0].service
  database_instance = module.database.name
  max_connections   = 400
  kafka_cluster     = module.kafka.cluster_id
  scraped           = false
  emails            = var.alert_emails
}
