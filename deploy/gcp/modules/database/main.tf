# PostgreSQL on Cloud SQL: a private address, TLS or no connection, backups with every change in between.

resource "google_sql_database_instance" "this" {
  # checkov:skip=CKV_GCP_6: TLS is enforced; clients show a password, not a certificate, and none is outside the network
  # checkov:skip=CKV_GCP_79: the version on which every test of the service runs
  # checkov:skip=CKV_GCP_108: every connection would wait for a look-up of its name, and all are private addresses
  # checkov:skip=CKV_GCP_111: statements that change data hold what clients said; changes of the schema are logged
  # checkov:skip=CKV2_GCP_13: Query Insights has the durations, without a line for each statement
  name                = var.name
  region              = var.region
  database_version    = "POSTGRES_16"
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

    database_flags {
      name  = "max_connections"
      value = tostring(var.max_connections)
    }
    database_flags {
      name  = "idle_in_transaction_session_timeout"
      value = "600000"
    }
    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }
    database_flags {
      name  = "log_connections"
      value = "on"
    }
    database_flags {
      name  = "log_disconnections"
      value = "on"
    }
    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }
    database_flags {
      name  = "log_temp_files"
      value = "0"
    }
    database_flags {
      name  = "log_min_messages"
      value = "error"
    }
    database_flags {
      name  = "log_min_error_statement"
      value = "error"
    }
    database_flags {
      name  = "log_min_duration_statement"
      value = "-1"
    }
    database_flags {
      name  = "log_statement"
      value = "ddl"
    }
    database_flags {
      name  = "cloudsql.enable_pgaudit"
      value = "on"
    }
    database_flags {
      name  = "pgaudit.log"
      value = "ddl,role"
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

# transcripts and searches are read here when the shim has SCRIBE_POSTGRES_READ_DSN
resource "google_sql_database_instance" "replica" {
  # checkov:skip=CKV_GCP_6: TLS is enforced; clients show a password, not a certificate, and none is outside the network
  # checkov:skip=CKV_GCP_79: the version on which every test of the service runs
  # checkov:skip=CKV_GCP_108: every connection would wait for a look-up of its name, and all are private addresses
  # checkov:skip=CKV_GCP_111: statements that change data hold what clients said; changes of the schema are logged
  # checkov:skip=CKV2_GCP_13: Query Insights has the durations, without a line for each statement
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

    database_flags {
      name  = "max_connections"
      value = tostring(var.max_connections)
    }
    database_flags {
      name  = "idle_in_transaction_session_timeout"
      value = "600000"
    }
    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }
    database_flags {
      name  = "log_connections"
      value = "on"
    }
    database_flags {
      name  = "log_disconnections"
      value = "on"
    }
    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }
    database_flags {
      name  = "log_temp_files"
      value = "0"
    }
    database_flags {
      name  = "log_min_messages"
      value = "error"
    }
    database_flags {
      name  = "log_min_error_statement"
      value = "error"
    }
    database_flags {
      name  = "log_min_duration_statement"
      value = "-1"
    }
    database_flags {
      name  = "log_statement"
      value = "ddl"
    }
    database_flags {
      name  = "cloudsql.enable_pgaudit"
      value = "on"
    }
    database_flags {
      name  = "pgaudit.log"
      value = "ddl,role"
    }
  }
}

resource "google_sql_database" "this" {
  name      = var.database
  instance  = google_sql_database_instance.this.name
  charset   = "UTF8"
  collation = "en_US.UTF8"
}
