# What each process may do in AWS beside Kafka: its objects, the key they are encrypted with, its own protection.

locals {
  bucket_arn = "arn:${local.partition}:s3:::${var.bucket}"

  object_actions = {
    # it deletes the recording of an upload of which no job was made
    api = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    # it writes results once, and deletes one whose job was erased meanwhile
    persist = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    gpu     = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    # it deletes all versions, so that what is erased is gone
    retention = [
      "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject", "s3:ListMultipartUploadParts",
    ]
    operator = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
  }
  bucket_actions = {
    retention = ["s3:GetBucketVersioning", "s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions"]
  }

  object_statements = {
    for process, actions in local.object_actions : process => concat(
      [
        { Sid = "Objects", Effect = "Allow", Action = actions, Resource = ["${local.bucket_arn}/*"] },
        # without ListBucket an object that is missing looks like a missing permission
        { Sid = "Bucket", Effect = "Allow", Action = lookup(local.bucket_actions, process, ["s3:ListBucket"]), Resource = [local.bucket_arn] },
        { Sid = "Key", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = [aws_kms_key.this.arn] },
      ],
      process == "gpu" && length(var.source_bucket_arns) > 0 ? [
        { Sid = "Sources", Effect = "Allow", Action = ["s3:GetObject"], Resource = [for arn in var.source_bucket_arns : "${arn}/*"] },
        { Sid = "SourceBuckets", Effect = "Allow", Action = ["s3:ListBucket"], Resource = tolist(var.source_bucket_arns) },
      ] : [],
    )
  }

  other_statements = {
    gpu = [{
      Sid      = "Protection"
      Effect   = "Allow"
      Action   = ["ecs:GetTaskProtection", "ecs:UpdateTaskProtection"]
      Resource = ["arn:${local.partition}:ecs:${local.region}:${local.account_id}:task/${var.name}/*"]
    }]
  }

  statements = {
    for process in keys(local.known.processes) : process => concat(
      lookup(local.kafka_statements, process, []),
      lookup(local.object_statements, process, []),
      lookup(local.other_statements, process, []),
    )
  }
}
