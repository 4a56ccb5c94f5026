# PostgreSQL on Cloud SQL: a private address, TLS or no connection, backups with every change in between.

resource "google_sql_database_instance" "this" {
  name                = var.name
  region              = var.region
  database_version    = "POSTGRES_17"
  encryption_key_name = var.kms_key
  deletion_protection = true

  settings {
    edition                     = var.edition
    tier                        = var.tier
    availability_type           = var.highly_available ? "REGIONAL" : "ZONAL"
    disk_type                   = "PD_SSD"
    disk_size                   = var.disk_gigabytes
    disk_autoresize             = true
    deletion_protection_enabled = true

    ip_configuration {
      ipv4_enabled                                  = false
      private_network                               = var.network_id
      enable_private_path_for_google_cloud_services = true
      ssl_mode                                      = "ENCRYPTED_ONLY"
    }

    backup_configuration {
      enabled                        = true
      point_in_time_recovery_enabled = true
      start_time                     = "02:00"
      transaction_log_retention_days = 7
      backup_retention_settings {
        retained_backups = var.retained_backups
        retention_unit   = "COUNT"
      }
    }

    maintenance_window {
      day          = 7
      hour         = 3
      update_track = "stable"
    }

    insights_config {
      query_insights_enabled  = true
      record_application_tags = true
      # statements hold no values, addresses of clients are of no use
      record_client_address = false
    }

    password_validation_policy {
      enable_password_policy      = true
      min_length                  = 24
      complexity                  = "COMPLEXITY_DEFAULT"
      disallow_username_substring = true
    }

    dynamic "database_flags" {
      for_each = local.flags
      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

# transcripts and searches are read here when the shim has SCRIBE_POSTGRES_READ_DSN
resource "google_sql_database_instance" "replica" {
  count = var.replica_tier == null ? 0 : 1

  name                 = "${var.name}-replica"
  region               = var.region
  database_version     = google_sql_database_instance.this.database_version
  master_instance_name = google_sql_database_instance.this.name
  encryption_key_name  = var.kms_key
  deletion_protection  = true

  settings {
    edition                     = var.edition
    tier                        = var.replica_tier
    availability_type           = "ZONAL"
    disk_type                   = "PD_SSD"
    disk_autoresize             = true
    deletion_protection_enabled = true

    ip_configuration {
      ipv4_enabled                                  = false
      private_network                               = var.network_id
      enable_private_path_for_google_cloud_services = true
      ssl_mode                                      = "ENCRYPTED_ONLY"
    }

    dynamic "database_flags" {
      for_each = local.flags
      content {
        name  = database_flags.key
        value = database_flags.value
      }
    }
  }
}

locals {
  flags = {
    max_connections                     = tostring(var.max_connections)
    log_checkpoints                     = "on"
    log_connections                     = "on"
    log_disconnections                  = "on"
    log_lock_waits                      = "on"
    log_temp_files                      = "0"
    log_min_messages                    = "error"
    log_min_error_statement             = "error"
    log_min_duration_statement          = "-1"
    log_statement                       = "ddl"
    log_hostname                        = "off"
    "cloudsql.enable_pgaudit"           = "on"
    "pgaudit.log"                       = "ddl,role"
    idle_in_transaction_session_timeout = "600000"
  }
}

resource "google_sql_database" "this" {
  name      = var.database
  instance  = google_sql_database_instance.this.name
  charset   = "UTF8"
  collation = "en_US.UTF8"
}
