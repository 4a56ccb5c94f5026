# PostgreSQL: private, encrypted, TLS only, backed up; nothing else can be had.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                        = "scribe"
  region                      = "eu-central-1"
  rotation_subnet_ids         = ["subnet-4", "subnet-5"]
  endpoints_security_group_id = "sg-3"
  password                    = "a-password-for-the-first-minutes"
  production                  = true
  vpc_id                      = "vpc-0a1b2c3d"
  subnet_ids                  = ["subnet-1", "subnet-2", "subnet-3"]
  client_security_group_ids   = { api = "sg-1", worker = "sg-2" }
  kms_key_arn                 = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d"
  instance_class              = "db.r7g.large"
  storage_gb                  = 100
  max_storage_gb              = 1000
  multi_az                    = true
  replica                     = true
  backup_days                 = 14
  deletion_protection         = true
  final_snapshot              = true
}

run "as_it_should_be" {
  command = plan
  module { source = "./modules/database" }

  assert {
    condition     = !aws_db_instance.primary.publicly_accessible && !aws_db_instance.replica[0].publicly_accessible
    error_message = "no instance has a public address"
  }
  assert {
    condition     = aws_db_instance.primary.storage_encrypted && aws_db_instance.primary.kms_key_id == var.kms_key_arn
    error_message = "the primary is encrypted under our key"
  }
  assert {
    condition     = aws_db_instance.replica[0].storage_encrypted && aws_db_instance.replica[0].kms_key_id == var.kms_key_arn
    error_message = "the replica is encrypted under our key"
  }
  assert {
    condition     = anytrue([for each in aws_db_parameter_group.this.parameter : each.name == "rds.force_ssl" && each.value == "1"])
    error_message = "the parameter group refuses connections without TLS"
  }
  assert {
    condition     = anytrue([for each in aws_db_parameter_group.this.parameter : each.name == "ssl_min_protocol_version" && each.value == "TLSv1.2"])
    error_message = "TLS is 1.2 at least"
  }
  assert {
    condition     = aws_db_instance.primary.parameter_group_name == aws_db_parameter_group.this.name && aws_db_instance.replica[0].parameter_group_name == aws_db_parameter_group.this.name
    error_message = "both instances use that parameter group"
  }
  assert {
    condition     = aws_db_instance.primary.password == null && aws_db_instance.primary.password_wo_version == 1 && aws_secretsmanager_secret_version.password.secret_string_wo_version == 1
    error_message = "the first password is written once, and no state file has it"
  }
  assert {
    condition     = aws_secretsmanager_secret_rotation.password.rotate_immediately && aws_secretsmanager_secret_rotation.password.rotation_rules[0].automatically_after_days == 30
    error_message = "the password is made anew at once, and every 30 days"
  }
  assert {
    condition     = endswith(aws_serverlessapplicationrepository_cloudformation_stack.rotation.application_id, "/SecretsManagerRDSPostgreSQLRotationSingleUser") && aws_vpc_security_group_egress_rule.rotation_secrets.referenced_security_group_id == "sg-3"
    error_message = "by AWS's own function, which reaches the database and Secrets Manager alone"
  }
  assert {
    condition     = aws_secretsmanager_secret.password.kms_key_id == var.kms_key_arn
    error_message = "the secret is under our key"
  }
  assert {
    condition     = aws_db_instance.primary.multi_az && aws_db_instance.primary.backup_retention_period == 14
    error_message = "there are a standby and backups"
  }
  assert {
    condition     = aws_db_instance.primary.deletion_protection && !aws_db_instance.primary.skip_final_snapshot && !aws_db_instance.primary.delete_automated_backups
    error_message = "it is not deleted by mistake, and leaves a snapshot and its backups"
  }
  assert {
    condition     = length(aws_db_instance.replica) == 1 && aws_db_instance.replica[0].replicate_source_db == "scribe"
    error_message = "there is a replica of the primary"
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.clients) == 2 && alltrue([for rule in aws_vpc_security_group_ingress_rule.clients : rule.from_port == 5432 && rule.to_port == 5432 && rule.cidr_ipv4 == null && rule.cidr_ipv6 == null])
    error_message = "only security groups come in, and only to PostgreSQL"
  }
  assert {
    condition     = toset(aws_db_instance.primary.enabled_cloudwatch_logs_exports) == toset(["postgresql", "upgrade"])
    error_message = "its logs are in CloudWatch"
  }
}

run "no_replica_where_none_is_wanted" {
  command = plan
  module { source = "./modules/database" }
  variables { replica = false }
  assert {
    condition     = length(aws_db_instance.replica) == 0 && output.replica_address == null
    error_message = "the replica is optional"
  }
}

run "a_network_among_the_clients_is_refused" {
  command = plan
  module { source = "./modules/database" }
  variables { client_security_group_ids = { everybody = "0.0.0.0/0" } }
  expect_failures = [var.client_security_group_ids]
}

run "an_unencrypted_database_is_refused" {
  command = plan
  module { source = "./modules/database" }
  variables { kms_key_arn = "" }
  expect_failures = [var.kms_key_arn]
}

run "production_without_deletion_protection_is_refused" {
  command = plan
  module { source = "./modules/database" }
  variables { deletion_protection = false }
  expect_failures = [aws_db_instance.primary]
}

run "production_without_a_standby_is_refused" {
  command = plan
  module { source = "./modules/database" }
  variables { multi_az = false }
  expect_failures = [aws_db_instance.primary]
}

run "production_with_two_days_of_backups_is_refused" {
  command = plan
  module { source = "./modules/database" }
  variables { backup_days = 2 }
  expect_failures = [aws_db_instance.primary]
}

run "a_short_password_is_refused" {
  command = plan
  module { source = "./modules/database" }
  variables { password = "hunter2" }
  expect_failures = [var.password]
}

run "no_backups_are_refused_everywhere" {
  command = plan
  module { source = "./modules/database" }
  variables {
    production  = false
    backup_days = 0
  }
  expect_failures = [var.backup_days]
}

run "an_old_version_is_refused" {
  command = plan
  module { source = "./modules/database" }
  variables { major_version = "14" }
  expect_failures = [var.major_version]
}

run "a_password_for_ever_is_refused" {
  command = plan
  module { source = "./modules/database" }
  variables { password_days = 365 }
  expect_failures = [var.password_days]
}
