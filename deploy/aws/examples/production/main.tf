# Production: three zones, nothing that one zone's loss stops, a base of on-demand GPUs with spot above it, two kinds of
# GPU, upstream systems on Kafka, a replica for reads. Its state belongs into a bucket of its own (README.md).

provider "aws" {
  region = var.region
  default_tags {
    tags = { application = "scribe-rabbit", deployment = "production" }
  }
}

module "scribe" {
  source = "../.."

  name               = "scribe"
  production         = true
  availability_zones = var.availability_zones
  public_host        = var.public_host
  certificate_arn    = var.certificate_arn
  bucket             = var.bucket
  image_tag          = var.image_tag
  collector_digest   = var.collector_digest
  database_password  = var.database_password
  alarm_emails       = var.alarm_emails

  nat_gateway_per_zone  = true
  deletion_protection   = true
  log_days              = 365
  object_retention_days = 1096

  database = {
    instance_class = "db.r7g.large"
    storage_gb     = 200
    max_storage_gb = 2000
    multi_az       = true
    replica        = true
    backup_days    = 14
    final_snapshot = true
  }

  kafka = {
    instance_type  = "kafka.m7g.large"
    storage_gb     = 200
    max_storage_gb = 2000
    # one for each upstream system that has no AWS role, from networks that reach the VPC; true: its secret is filled
    scram_users  = { telephony = false }
    client_cidrs = ["10.20.0.0/16"]
  }

  gpu_pools = {
    # T4: what is always there
    g4dn = {
      instance_types         = ["g4dn.xlarge", "g4dn.2xlarge"]
      on_demand_base         = 1
      max_instances          = 6
      min_tasks              = 1
      max_tasks              = 6
      audio_seconds_per_task = 7200
      share                  = 0.4
    }
    # A10G: for what comes above it, all on spot
    g5 = {
      instance_types         = ["g5.xlarge", "g5.2xlarge"]
      on_demand_base         = 0
      max_instances          = 6
      min_tasks              = 0
      max_tasks              = 6
      audio_seconds_per_task = 14400
      share                  = 0.6
      transcribe_workers     = 4
    }
  }
}
