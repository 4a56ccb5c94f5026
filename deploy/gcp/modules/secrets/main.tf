# The secrets without their values: those are added by gcloud, so that Terraform's state never holds one.

data "google_project" "this" {
  project_id = var.project
}

locals {
  ids = { for name in var.names : name => "${var.name}-${name}" }

  readers = merge([
    for id, processes in var.readers : { for process in processes : "${id}/${process}" => { id = id, process = process } }
  ]...)
}

resource "google_secret_manager_secret" "this" {
  for_each = local.ids

  secret_id           = each.value
  deletion_protection = true
  # a version that was destroyed by mistake can be had back for a week
  version_destroy_ttl = "604800s"

  replication {
    user_managed {
      replicas {
        location = var.region
        customer_managed_encryption {
          kms_key_name = var.kms_key
        }
      }
    }
  }

  # nothing rotates a secret by itself: this says when it is due
  rotation {
    next_rotation_time = var.next_rotation
    rotation_period    = "${var.rotation_days * 86400}s"
  }
  topics {
    name = google_pubsub_topic.due.id
  }

  # Secret Manager moves the time on after each reminder
  lifecycle {
    ignore_changes = [rotation[0].next_rotation_time]
  }

  depends_on = [google_pubsub_topic_iam_member.reminders]
}

resource "google_secret_manager_secret_iam_member" "readers" {
  for_each = local.readers

  secret_id = google_secret_manager_secret.this[trimprefix(each.value.id, "${var.name}-")].id
  role      = "roles/secretmanager.secretAccessor"
  member    = var.members[each.value.process]
}

resource "google_pubsub_topic" "due" {
  name         = "${var.name}-secrets-due"
  kms_key_name = var.pubsub_key

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }
}

resource "google_pubsub_topic_iam_member" "reminders" {
  topic  = google_pubsub_topic.due.id
  role   = "roles/pubsub.publisher"
  member = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-secretmanager.iam.gserviceaccount.com"
}
