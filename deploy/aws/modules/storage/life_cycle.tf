# The same rules as `python -m deploy.lifecycle` prints; a test holds them together.

resource "aws_s3_bucket_lifecycle_configuration" "objects" {
  bucket = aws_s3_bucket.this["objects"].id

  rule {
    id     = "unfinished"
    status = "Enabled"
    filter { prefix = "" }
    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }

  rule {
    id     = "noncurrent"
    status = "Enabled"
    filter { prefix = "" }
    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }

  # S3 takes nothing into its infrequent-access class before 30 days
  dynamic "rule" {
    for_each = var.retention_days == null || coalesce(var.retention_days, 0) > 30 ? ["cooler"] : []
    content {
      id     = rule.value
      status = "Enabled"
      filter { prefix = "" }
      transition {
        days          = 30
        storage_class = "STANDARD_IA"
      }
    }
  }

  # an upper bound behind `scribe-streams`'s own retention, which alone knows classes of data, tenants and legal holds
  dynamic "rule" {
    for_each = var.retention_days == null ? [] : ["bound"]
    content {
      id     = rule.value
      status = "Enabled"
      filter { prefix = "" }
      expiration {
        days = var.retention_days
      }
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "logs" {
  bucket = aws_s3_bucket.this["logs"].id

  rule {
    id     = "logs"
    status = "Enabled"
    filter { prefix = "" }
    expiration {
      days = var.log_days
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }
}
