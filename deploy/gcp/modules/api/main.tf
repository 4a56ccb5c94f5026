# The REST shim on Cloud Run. Only the balancer reaches it; it reaches database and Kafka inside the network.

resource "google_cloud_run_v2_service" "this" {
  name                = var.name
  location            = var.region
  ingress             = "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
  deletion_protection = true

  template {
    service_account                  = var.service_account
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"
    encryption_key                   = var.kms_key
    max_instance_request_concurrency = var.concurrency
    # uploads are streamed to the bucket; server-sent events live as long, and clients go on with Last-Event-ID
    timeout = "3600s"

    scaling {
      min_instance_count = var.instances.min
      max_instance_count = var.instances.max
    }

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
      image   = var.image
      command = var.command

      ports {
        container_port = 8000
      }

      resources {
        limits = var.limits
        # the outbox's metrics and server-sent events go on between requests
        cpu_idle          = false
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = merge(var.environment, { SCRIBE_API_HOST = "0.0.0.0", SCRIBE_API_PORT = "8000" })
        content {
          name  = env.key
          value = env.value
        }
      }
      dynamic "env" {
        for_each = var.secret_environment
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

      startup_probe {
        period_seconds    = 2
        timeout_seconds   = 2
        failure_threshold = 60
        http_get {
          path = "/livez"
          port = 8000
        }
      }
      liveness_probe {
        period_seconds    = 10
        timeout_seconds   = 5
        failure_threshold = 6
        http_get {
          path = "/livez"
          port = 8000
        }
      }
    }
  }

  traffic {
    type    = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
    percent = 100
  }
}

# the balancer calls without an identity of Google's; clients show an API key, which the shim checks
resource "google_cloud_run_v2_service_iam_member" "balancer" {
  name     = google_cloud_run_v2_service.this.name
  location = var.region
  role     = "roles/run.invoker"
  member   = "allUsers"
}
