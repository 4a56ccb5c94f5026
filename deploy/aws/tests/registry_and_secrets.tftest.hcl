# Images and secrets.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                = "scribe"
  region              = "eu-central-1"
  account_id          = "123456789012"
  production          = true
  deletion_protection = true
  secrets             = { webhook-key = "Encrypts the secrets of webhook endpoints" }
  cluster_name        = "scribe"
  services            = ["api", "gpu-g4dn"]
  rotated_secret_arn  = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-mock-AbCdEf"
  log_days            = 90
  kms_key_arn         = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d"
}

run "registry" {
  command = plan
  module { source = "./modules/registry" }

  assert {
    condition     = toset(keys(aws_ecr_repository.this)) == toset(["api", "streams", "gpu", "collector"])
    error_message = "each image has a repository"
  }
  assert {
    condition     = alltrue([for repository in aws_ecr_repository.this : repository.image_tag_mutability == "IMMUTABLE"])
    error_message = "a tag is never moved"
  }
  assert {
    condition     = alltrue([for repository in aws_ecr_repository.this : repository.image_scanning_configuration[0].scan_on_push])
    error_message = "images are scanned"
  }
  assert {
    condition     = alltrue([for repository in aws_ecr_repository.this : repository.encryption_configuration[0].encryption_type == "KMS" && !repository.force_delete])
    error_message = "they are encrypted, and not deleted by mistake"
  }
  assert {
    condition     = alltrue([for policy in aws_ecr_lifecycle_policy.this : jsondecode(policy.policy).rules[0].selection.tagStatus == "untagged" && jsondecode(policy.policy).rules[1].selection.countNumber == 20])
    error_message = "old images go, the latest stay"
  }
}

run "a_registry_that_keeps_one_image_is_refused" {
  command = plan
  module { source = "./modules/registry" }
  variables { keep = 1 }
  expect_failures = [var.keep]
}

run "production_without_deletion_protection_is_refused" {
  command = plan
  module { source = "./modules/registry" }
  variables { deletion_protection = false }
  expect_failures = [aws_ecr_repository.this]
}

run "secrets" {
  command = plan
  module { source = "./modules/secrets" }

  assert {
    condition     = alltrue([for secret in aws_secretsmanager_secret.this : secret.kms_key_id == var.kms_key_arn && secret.recovery_window_in_days == 30])
    error_message = "secrets are under our key, and can be had back for a month"
  }
  assert {
    condition     = alltrue([for policy in aws_secretsmanager_secret_policy.this : policy.block_public_policy && jsondecode(policy.policy).Statement[0].Effect == "Deny"])
    error_message = "no other account reads them"
  }
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.rotated.event_pattern).detail.eventName == ["RotationSucceeded"] && jsondecode(aws_cloudwatch_event_rule.rotated.event_pattern).detail.additionalEventData.SecretId == [var.rotated_secret_arn]
    error_message = "a new password of the database starts the services anew"
  }
  assert {
    condition     = jsondecode(aws_sfn_state_machine.renewal.definition).States.Services.Result == ["api", "gpu-g4dn"]
    error_message = "every one of them"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.renewal.policy).Statement[0].Resource == ["arn:aws:ecs:eu-central-1:123456789012:service/scribe/api", "arn:aws:ecs:eu-central-1:123456789012:service/scribe/gpu-g4dn"]
    error_message = "and nothing else"
  }
}

run "secrets_without_a_key_of_our_own_are_refused" {
  command = plan
  module { source = "./modules/secrets" }
  variables { kms_key_arn = "alias/aws/secretsmanager" }
  expect_failures = [var.kms_key_arn]
}
