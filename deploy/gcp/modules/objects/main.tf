# The bucket of recordings, artifacts and transcripts, spoken to through its S3 interface. Nobody outside may read it.

resource "google_storage_bucket" "this" {
  # checkov:skip=CKV_GCP_78: former versions would keep what was erased
  name                        = var.bucket
  location                    = var.region
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  encryption {
    default_kms_key_name = var.kms_key
  }

  # an erased recording must be gone; the database says what is kept, and its backups bring it back
  versioning {
    enabled = false
  }
  soft_delete_policy {
    retention_duration_seconds = var.soft_delete_days * 86400
  }

  logging {
    log_bucket        = google_storage_bucket.access_logs.name
    log_object_prefix = var.bucket
  }

  # the same rules as `python -m deploy.lifecycle --form gcs` writes
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 2
    }
  }
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 1
      with_state                 = "ARCHIVED"
    }
  }

  dynamic "lifecycle_rule" {
    for_each = var.retention_days == null || coalesce(var.retention_days, 0) > 30 ? ["cooler"] : []
    content {
      action {
        type          = "SetStorageClass"
        storage_class = "NEARLINE"
      }
      condition {
        age                   = 30
        matches_storage_class = ["STANDARD"]
      }
    }
  }
  dynamic "lifecycle_rule" {
    for_each = var.retention_days == null ? [] : [var.retention_days]
    content {
      action {
        type = "Delete"
      }
      condition {
        age        = lifecycle_rule.value
        with_state = "LIVE"
      }
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

# who read and wrote what, for a year
resource "google_storage_bucket" "access_logs" {
  # checkov:skip=CKV_GCP_62: it holds the access logs; its own would log for ever
  # checkov:skip=CKV_GCP_78: logs are written once and never replaced
  name                        = "${var.bucket}-access-logs"
  location                    = var.region
  storage_class               = "NEARLINE"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  encryption {
    default_kms_key_name = var.kms_key
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = 365
    }
  }
}

resource "google_storage_bucket_iam_member" "access_logs" {
  bucket = google_storage_bucket.access_logs.name
  role   = "roles/storage.objectCreator"
  member = "group:cloud-storage-analytics@google.com"
}

# reads, writes and deletes objects, and parts of uploads
resource "google_storage_bucket_iam_member" "objects" {
  bucket = google_storage_bucket.this.name
  role   = "roles/storage.objectUser"
  member = "serviceAccount:${var.objects_email}"
}

# HEAD of the bucket and its versioning, which tell an outage from a missing object
resource "google_storage_bucket_iam_member" "bucket" {
  bucket = google_storage_bucket.this.name
  role   = "roles/storage.legacyBucketReader"
  member = "serviceAccount:${var.objects_email}"
}
