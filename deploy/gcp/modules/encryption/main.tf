# One key a kind of data, rotated by itself. Whoever destroys one destroys the data, so Terraform may not.

data "google_project" "this" {
  project_id = var.project
}

data "google_storage_project_service_account" "this" {
  project = var.project
}

locals {
  number = data.google_project.this.number

  # the agents of Google's services that encrypt and decrypt with each key
  users = {
    objects  = ["serviceAccount:${data.google_storage_project_service_account.this.email_address}"]
    database = ["serviceAccount:service-${local.number}@gcp-sa-cloud-sql.iam.gserviceaccount.com"]
    secrets  = ["serviceAccount:service-${local.number}@gcp-sa-secretmanager.iam.gserviceaccount.com"]
    registry = ["serviceAccount:service-${local.number}@gcp-sa-artifactregistry.iam.gserviceaccount.com"]
    kafka    = ["serviceAccount:service-${local.number}@gcp-sa-managedkafka.iam.gserviceaccount.com"]
    pubsub   = ["serviceAccount:service-${local.number}@gcp-sa-pubsub.iam.gserviceaccount.com"]
    run      = ["serviceAccount:service-${local.number}@serverless-robot-prod.iam.gserviceaccount.com"]
    cluster = [
      "serviceAccount:service-${local.number}@container-engine-robot.iam.gserviceaccount.com",
      "serviceAccount:service-${local.number}@compute-system.iam.gserviceaccount.com",
    ]
  }
  grants = merge([
    for key, members in local.users : { for index, member in members : "${key}-${index}" => { key = key, member = member } }
  ]...)
}

resource "google_kms_key_ring" "this" {
  name     = var.name
  location = var.region
}

resource "google_kms_crypto_key" "this" {
  for_each = local.users

  name                       = each.key
  key_ring                   = google_kms_key_ring.this.id
  purpose                    = "ENCRYPT_DECRYPT"
  rotation_period            = "7776000s" # 90 days
  destroy_scheduled_duration = "2592000s" # 30 days to change one's mind

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "this" {
  for_each = local.grants

  crypto_key_id = google_kms_crypto_key.this[each.value.key].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = each.value.member
}
