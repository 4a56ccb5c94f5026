# The bucket: closed, encrypted, and a life cycle that breaks no promise of retention and erasure.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  bucket              = "scribe-objects-example"
  account_id          = "123456789012"
  production          = true
  retention_days      = 1096
  log_days            = 90
  deletion_protection = true
  kms_key_arn         = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d"
}

run "as_it_should_be" {
  command = plan
  module { source = "./modules/storage" }

  assert {
    condition     = length(aws_s3_bucket_public_access_block.this) == 2 && alltrue([for block in aws_s3_bucket_public_access_block.this : block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets])
    error_message = "neither bucket can be made public"
  }
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.objects.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms" && one(aws_s3_bucket_server_side_encryption_configuration.objects.rule).apply_server_side_encryption_by_default[0].kms_master_key_id == var.kms_key_arn
    error_message = "objects are encrypted under our key"
  }
  assert {
    condition     = alltrue([for control in aws_s3_bucket_ownership_controls.this : control.rule[0].object_ownership == "BucketOwnerEnforced"])
    error_message = "there are no ACLs"
  }
  assert {
    condition     = jsondecode(aws_s3_bucket_policy.objects.policy).Statement[0].Effect == "Deny" && jsondecode(aws_s3_bucket_policy.objects.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    error_message = "without TLS nothing is answered"
  }
  assert {
    condition     = aws_s3_bucket_versioning.objects.versioning_configuration[0].status == "Disabled"
    error_message = "what is erased is gone: versions are off"
  }
  assert {
    condition     = [for rule in aws_s3_bucket_lifecycle_configuration.objects.rule : rule.id] == ["unfinished", "noncurrent", "cooler", "bound"]
    error_message = "the rules are those of deploy/lifecycle.py"
  }
  assert {
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.objects.rule : rule.expiration[0].days if rule.id == "bound"]) == 1096
    error_message = "the upper bound is the one of SCRIBE_OBJECT_RETENTION_DAYS"
  }
  assert {
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.objects.rule : one(rule.transition).storage_class if rule.id == "cooler"]) == "STANDARD_IA"
    error_message = "old objects move to the cheaper class, from which they are read at once"
  }
  assert {
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.objects.rule : rule.noncurrent_version_expiration[0].noncurrent_days if rule.id == "noncurrent"]) == 1
    error_message = "old versions go after a day"
  }
  assert {
    condition     = aws_s3_bucket_logging.objects.target_prefix == "objects/"
    error_message = "who read which object is logged"
  }
  assert {
    condition     = !aws_s3_bucket.this["objects"].force_destroy
    error_message = "a bucket with objects is not deleted"
  }
}

run "without_a_bound_nothing_is_deleted" {
  command = plan
  module { source = "./modules/storage" }
  variables { retention_days = null }
  assert {
    condition     = length([for rule in aws_s3_bucket_lifecycle_configuration.objects.rule : rule if length(rule.expiration) > 0]) == 0
    error_message = "no rule deletes what nobody asked to delete"
  }
}

run "versions_can_be_had" {
  command = plan
  module { source = "./modules/storage" }
  variables { versioning = true }
  assert {
    condition     = aws_s3_bucket_versioning.objects.versioning_configuration[0].status == "Enabled"
    error_message = "versions are a setting"
  }
}

run "objects_that_go_before_their_records_are_refused" {
  command = plan
  module { source = "./modules/storage" }
  variables { retention_days = 7 }
  expect_failures = [var.retention_days]
}

run "an_unencrypted_bucket_is_refused" {
  command = plan
  module { source = "./modules/storage" }
  variables { kms_key_arn = "" }
  expect_failures = [var.kms_key_arn]
}

run "production_without_deletion_protection_is_refused" {
  command = plan
  module { source = "./modules/storage" }
  variables { deletion_protection = false }
  expect_failures = [aws_s3_bucket.this]
}
