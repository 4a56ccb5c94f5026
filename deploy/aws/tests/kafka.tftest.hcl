# MSK: TLS only, nobody unknown, three copies; the internet never.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                      = "scribe"
  production                = true
  vpc_id                    = "vpc-0a1b2c3d"
  subnet_ids                = ["subnet-1", "subnet-2", "subnet-3"]
  client_security_group_ids = { worker = "sg-1", gpu = "sg-2" }
  client_cidrs              = ["10.20.0.0/16"]
  instance_type             = "kafka.m7g.large"
  storage_gb                = 100
  max_storage_gb            = 1000
  scram_users               = { telephony = true, archive = false }
  log_days                  = 90
  kms_key_arn               = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d"
}

run "as_it_should_be" {
  command = plan
  module { source = "./modules/kafka" }

  assert {
    condition     = aws_msk_cluster.this.encryption_info[0].encryption_in_transit[0].client_broker == "TLS" && aws_msk_cluster.this.encryption_info[0].encryption_in_transit[0].in_cluster
    error_message = "clients and brokers speak TLS and nothing else"
  }
  assert {
    condition     = aws_msk_cluster.this.encryption_info[0].encryption_at_rest_kms_key_arn == var.kms_key_arn
    error_message = "records rest encrypted under our key"
  }
  assert {
    condition     = !aws_msk_cluster.this.client_authentication[0].unauthenticated
    error_message = "nobody comes in without a name"
  }
  assert {
    condition     = aws_msk_cluster.this.client_authentication[0].sasl[0].iam && aws_msk_cluster.this.client_authentication[0].sasl[0].scram
    error_message = "IAM and SCRAM are both there"
  }
  assert {
    condition     = aws_msk_cluster.this.broker_node_group_info[0].connectivity_info[0].public_access[0].type == "DISABLED"
    error_message = "brokers have no public address"
  }
  assert {
    condition     = aws_msk_cluster.this.number_of_broker_nodes == 3
    error_message = "there is a broker in each zone"
  }
  assert {
    condition     = can(regex("^4\\.[0-9]+\\.x\\.kraft$", aws_msk_cluster.this.kafka_version))
    error_message = "it is Kafka 4 with KRaft"
  }
  assert {
    condition     = strcontains(aws_msk_configuration.this.server_properties, "min.insync.replicas=2") && strcontains(aws_msk_configuration.this.server_properties, "default.replication.factor=3")
    error_message = "a record is on two brokers before it counts as written"
  }
  assert {
    condition     = strcontains(aws_msk_configuration.this.server_properties, "auto.create.topics.enable=false") && strcontains(aws_msk_configuration.this.server_properties, "unclean.leader.election.enable=false")
    error_message = "only scribe topics makes topics, and no leader forgets records"
  }
  assert {
    condition     = strcontains(aws_msk_configuration.this.server_properties, "allow.everyone.if.no.acl.found=false")
    error_message = "users with a password may do nothing before an ACL says so"
  }
  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.groups : rule.from_port]) == toset([9096, 9098]) && toset([for rule in aws_vpc_security_group_ingress_rule.networks : rule.from_port]) == toset([9096, 9098])
    error_message = "the ports are those of IAM and SCRAM over TLS: neither 9092 (plaintext) nor 9094"
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.networks : rule.cidr_ipv4 == "10.20.0.0/16"])
    error_message = "upstream systems come from their own network"
  }
  assert {
    condition     = alltrue([for name, secret in aws_secretsmanager_secret.scram : startswith(secret.name, "AmazonMSK_") && secret.kms_key_id == var.kms_key_arn])
    error_message = "MSK takes secrets of this name, under a key of our own"
  }
  assert {
    condition     = length(aws_msk_scram_secret_association.this[0].secret_arn_list) == 1
    error_message = "MSK is given the users whose secrets are filled"
  }
  assert {
    condition     = aws_appautoscaling_policy.storage.target_tracking_scaling_policy_configuration[0].disable_scale_in && aws_appautoscaling_target.storage.max_capacity == 1000
    error_message = "the disks of brokers grow by themselves"
  }
}

run "without_users_there_is_no_scram" {
  command = plan
  module { source = "./modules/kafka" }
  variables { scram_users = {} }
  assert {
    condition     = !aws_msk_cluster.this.client_authentication[0].sasl[0].scram && length(aws_msk_scram_secret_association.this) == 0
    error_message = "nothing is open that nobody uses"
  }
  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.groups : rule.from_port]) == toset([9098])
    error_message = "the port of SCRAM is closed then"
  }
}

run "brokers_for_the_internet_are_refused" {
  command = plan
  module { source = "./modules/kafka" }
  variables { client_cidrs = ["0.0.0.0/0"] }
  expect_failures = [var.client_cidrs]
}

run "brokers_for_a_public_network_are_refused" {
  command = plan
  module { source = "./modules/kafka" }
  variables { client_cidrs = ["203.0.113.0/24"] }
  expect_failures = [var.client_cidrs]
}

run "unencrypted_brokers_are_refused" {
  command = plan
  module { source = "./modules/kafka" }
  variables { kms_key_arn = "" }
  expect_failures = [var.kms_key_arn]
}

run "kafka_with_zookeeper_is_refused" {
  command = plan
  module { source = "./modules/kafka" }
  variables { kafka_version = "3.8.x" }
  expect_failures = [var.kafka_version]
}

run "production_in_two_zones_is_refused" {
  command = plan
  module { source = "./modules/kafka" }
  variables { subnet_ids = ["subnet-1", "subnet-2"] }
  expect_failures = [aws_msk_cluster.this]
}
