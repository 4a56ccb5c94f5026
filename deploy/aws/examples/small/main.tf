# A trial: two zones, one NAT gateway, small instances, GPU tasks only while something waits. It may be deleted whole.

provider "aws" {
  region = var.region
  default_tags {
    tags = { application = "scribe-rabbit", deployment = "small" }
  }
}

module "scribe" {
  source = "../.."

  name               = "scribe-small"
  production         = false
  availability_zones = var.availability_zones
  public_host        = var.public_host
  certificate_arn    = var.certificate_arn
  bucket             = var.bucket
  image_tag          = var.image_tag
  collector_digest   = var.collector_digest
  database_password  = var.database_password
  alarm_emails       = var.alarm_emails

  nat_gateway_per_zone = false
  deletion_protection  = false
  log_days             = 14

  database = {
    instance_class       = "db.t4g.medium"
    storage_gb           = 20
    max_storage_gb       = 100
    multi_az             = false
    backup_days          = 1
    final_snapshot       = false
    performance_insights = false
  }

  kafka = {
    instance_type  = "kafka.m7g.large"
    storage_gb     = 50
    max_storage_gb = 200
  }

  processes = {
    api      = { min = 1, max = 2, cpu = 512, memory = 1024 }
    persist  = { min = 1, max = 2 }
    enhance  = { min = 1, max = 2 }
    webhooks = { min = 1, max = 2 }
    dispatch = { min = 1, max = 2 }
  }

  gpu_pools = {
    g4dn = {
      instance_types         = ["g4dn.xlarge"]
      on_demand_base         = 0
      max_instances          = 2
      min_tasks              = 0
      max_tasks              = 2
      audio_seconds_per_task = 7200
    }
  }
}
