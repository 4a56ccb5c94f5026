# MSK, provisioned, KRaft: TLS only, IAM for our processes, SCRAM for upstream systems that have no AWS role.

locals {
  ports = merge({ iam = 9098 }, length(var.scram_users) > 0 ? { scram = 9096 } : {})
  cidr_rules = {
    for pair in setproduct(keys(local.ports), var.client_cidrs) : "${pair[0]} from ${pair[1]}" => { port = local.ports[pair[0]], cidr = pair[1] }
  }
  group_rules = {
    for pair in setproduct(keys(local.ports), keys(var.client_security_group_ids)) :
    "${pair[0]} from ${pair[1]}" => { port = local.ports[pair[0]], group = var.client_security_group_ids[pair[1]] }
  }
}

resource "aws_security_group" "this" {
  name        = "${var.name}-kafka"
  description = "Kafka brokers"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-kafka" }
}

resource "aws_vpc_security_group_ingress_rule" "groups" {
  for_each                     = local.group_rules
  security_group_id            = aws_security_group.this.id
  description                  = "Kafka by ${each.key}"
  referenced_security_group_id = each.value.group
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

# upstream systems in networks that reach the VPC
resource "aws_vpc_security_group_ingress_rule" "networks" {
  for_each          = local.cidr_rules
  security_group_id = aws_security_group.this.id
  description       = "Kafka by ${each.key}"
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

resource "aws_msk_configuration" "this" {
  name              = "${var.name}-${replace(var.kafka_version, ".", "-")}"
  kafka_versions    = [var.kafka_version]
  server_properties = <<-TEXT
    auto.create.topics.enable=false
    allow.everyone.if.no.acl.found=false
    default.replication.factor=3
    min.insync.replicas=2
    unclean.leader.election.enable=false
    # longer than a group that is scaled to zero may sleep
    offsets.retention.minutes=43200
    message.max.bytes=1048588
  TEXT

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "brokers" {
  name              = "/${var.name}/kafka"
  retention_in_days = var.log_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_msk_cluster" "this" {
  cluster_name           = var.name
  kafka_version          = var.kafka_version
  number_of_broker_nodes = length(var.subnet_ids) * var.brokers_per_zone
  enhanced_monitoring    = "PER_TOPIC_PER_BROKER"

  broker_node_group_info {
    instance_type   = var.instance_type
    client_subnets  = var.subnet_ids
    security_groups = [aws_security_group.this.id]

    connectivity_info {
      public_access {
        type = "DISABLED"
      }
    }

    storage_info {
      ebs_storage_info {
        volume_size = var.storage_gb
      }
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.this.arn
    revision = aws_msk_configuration.this.latest_revision
  }

  client_authentication {
    unauthenticated = false
    sasl {
      iam   = true
      scram = length(var.scram_users) > 0
    }
  }

  encryption_info {
    encryption_at_rest_kms_key_arn = var.kms_key_arn
    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }

  open_monitoring {
    prometheus {
      jmx_exporter {
        enabled_in_broker = true
      }
      node_exporter {
        enabled_in_broker = true
      }
    }
  }

  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.brokers.name
      }
    }
  }

  lifecycle {
    # storage grows by itself (below), and never shrinks
    ignore_changes = [broker_node_group_info[0].storage_info[0].ebs_storage_info[0].volume_size]

    precondition {
      condition     = !var.production || length(var.subnet_ids) >= 3
      error_message = "Production needs brokers in three zones: with min.insync.replicas 2 fewer cannot lose one."
    }
  }
}

resource "aws_appautoscaling_target" "storage" {
  service_namespace  = "kafka"
  scalable_dimension = "kafka:broker-storage:VolumeSize"
  resource_id        = aws_msk_cluster.this.arn
  min_capacity       = 1
  max_capacity       = var.max_storage_gb
}

resource "aws_appautoscaling_policy" "storage" {
  name               = "${var.name}-broker-storage"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.storage.service_namespace
  scalable_dimension = aws_appautoscaling_target.storage.scalable_dimension
  resource_id        = aws_appautoscaling_target.storage.resource_id

  target_tracking_scaling_policy_configuration {
    target_value     = 60
    disable_scale_in = true
    predefined_metric_specification {
      predefined_metric_type = "KafkaBrokerStorageUtilization"
    }
  }
}
