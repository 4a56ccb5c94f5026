# Faust apps, relay, dispatcher and retention as Cloud Run worker pools, and the two jobs of an upgrade.
# A pool sends SIGTERM and kills ten seconds later: what has longer to end in good order belongs on GKE.

resource "google_cloud_run_v2_worker_pool" "this" {
  for_each = var.pools

  name                = "${var.name}-${each.key}"
  location            = var.region
  deletion_protection = true

  scaling {
    scaling_mode          = "MANUAL"
    manual_instance_count = each.value.instances
  }

  template {
    service_account = var.service_accounts[each.key]
    encryption_key  = var.kms_key

    vpc_access {
      egress = "ALL_TRAFFIC"
      network_interfaces {
        network    = var.network_id
        subnetwork = var.subnetwork_id
      }
    }

    volumes {
      name = "postgres-ca"
      secret {
        secret       = var.postgres_ca_secret
        default_mode = 292 # 0444
        items {
          path    = "ca.pem"
          version = "latest"
        }
      }
    }

    containers {
      name    = "process"
      image   = var.images[var.processes[each.key].image]
      command = var.processes[each.key].command

      resources {
        limits = each.value.limits
      }

      dynamic "env" {
        for_each = var.environment[each.key]
        content {
          name  = env.key
          value = env.value
        }
      }
      dynamic "env" {
        for_each = var.secret_environment[each.key]
        content {
          name = env.key
          value_source {
            secret_key_ref {
              secret  = env.value
              version = "latest"
            }
          }
        }
      }

      volume_mounts {
        name       = "postgres-ca"
        mount_path = "/etc/scribe/postgres"
      }
    }

    # makes tokens for Kafka out of the account's credentials, on 127.0.0.1
    dynamic "containers" {
      for_each = var.token_server_image == null ? [] : [var.token_server_image]
      content {
        name  = "token-server"
        image = containers.value
        resources {
          limits = { cpu = "1", memory = "512Mi" }
        }
      }
    }
  }
}

# run by hand at each upgrade, before anything else: gcloud run jobs execute
resource "google_cloud_run_v2_job" "this" {
  for_each = var.jobs

  name                = "${var.name}-${each.key}"
  location            = var.region
  deletion_protection = false

  template {
    task_count = 1

    template {
      service_account       = var.service_accounts[each.key]
      encryption_key        = var.kms_key
      execution_environment = "EXECUTION_ENVIRONMENT_GEN2"
      max_retries           = 0
      timeout               = "3600s"

      vpc_access {
        egress = "ALL_TRAFFIC"
        network_interfaces {
          network    = var.network_id
          subnetwork = var.subnetwork_id
        }
      }

      volumes {
        name = "postgres-ca"
        secret {
          secret       = var.postgres_ca_secret
          default_mode = 292 # 0444
          items {
            path    = "ca.pem"
            version = "latest"
          }
        }
      }

      containers {
        image   = var.images[var.processes[each.key].image]
        command = var.processes[each.key].command

        resources {
          limits = { cpu = "1", memory = "1Gi" }
        }

        dynamic "env" {
          for_each = var.environment[each.key]
          content {
            name  = env.key
            value = env.value
          }
        }
        dynamic "env" {
          for_each = var.secret_environment[each.key]
          content {
            name = env.key
            value_source {
              secret_key_ref {
                secret  = env.value
                version = "latest"
              }
            }
          }
        }

        volume_mounts {
          name       = "postgres-ca"
          mount_path = "/etc/scribe/postgres"
        }
      }
    }
  }
}
