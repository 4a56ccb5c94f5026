# The bucket of recordings, artifacts and transcripts, and one for access logs.

resource "aws_s3_bucket" "this" {
  for_each      = { objects = var.bucket, logs = "${var.bucket}-logs" }
  bucket        = each.value
  force_destroy = !var.deletion_protection

  lifecycle {
    precondition {
      condition     = !var.production || var.deletion_protection
      error_message = "Production needs deletion_protection = true for the buckets."
    }
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each                = aws_s3_bucket.this
  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "objects" {
  bucket = aws_s3_bucket.this["objects"].id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

# load balancers write their logs under S3's own key only
resource "aws_s3_bucket_server_side_encryption_configuration" "logs" {
  bucket = aws_s3_bucket.this["logs"].id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

# An erasure promises that objects are gone. The service deletes every version of what it erases, so versions break no
# promise, but what the life cycle below deletes would stay for a day more: they are off unless you want them.
resource "aws_s3_bucket_versioning" "objects" {
  bucket = aws_s3_bucket.this["objects"].id
  versioning_configuration {
    status = var.versioning ? "Enabled" : "Disabled"
  }
}

resource "aws_s3_bucket_logging" "objects" {
  bucket        = aws_s3_bucket.this["objects"].id
  target_bucket = aws_s3_bucket.this["logs"].id
  target_prefix = "objects/"
}

resource "aws_s3_bucket_policy" "objects" {
  bucket = aws_s3_bucket.this["objects"].id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [local.only_tls["objects"]]
  })
  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_policy" "logs" {
  bucket = aws_s3_bucket.this["logs"].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.only_tls["logs"],
      {
        Sid       = "LoadBalancer"
        Effect    = "Allow"
        Principal = { Service = "logdelivery.elasticloadbalancing.amazonaws.com" }
        Action    = "s3:PutObject"
        Resource  = "arn:${var.partition}:s3:::${var.bucket}-logs/load-balancer/AWSLogs/${var.account_id}/*"
      },
      {
        Sid       = "ObjectAccess"
        Effect    = "Allow"
        Principal = { Service = "logging.s3.amazonaws.com" }
        Action    = "s3:PutObject"
        Resource  = "arn:${var.partition}:s3:::${var.bucket}-logs/objects/*"
        Condition = {
          ArnLike      = { "aws:SourceArn" = "arn:${var.partition}:s3:::${var.bucket}" }
          StringEquals = { "aws:SourceAccount" = var.account_id }
        }
      },
    ]
  })
  depends_on = [aws_s3_bucket_public_access_block.this]
}

locals {
  only_tls = {
    for kind, name in { objects = var.bucket, logs = "${var.bucket}-logs" } : kind => {
      Sid                       = "OnlyTls"
      Effect                    = "Deny"
      Principal                 = "*"
      Action                    = "s3:*"
      Resource                  = ["arn:${var.partition}:s3:::${name}", "arn:${var.partition}:s3:::${name}/*"]
      Condition                 = { Bool = { "aws:SecureTransport" = "false" } }
    }
  }
}
