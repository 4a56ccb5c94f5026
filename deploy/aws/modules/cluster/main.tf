# The ECS cluster and where its tasks may run: Fargate, and the pools of GPU instances.

resource "aws_cloudwatch_log_group" "commands" {
  name              = "/${var.name}/commands"
  retention_in_days = var.log_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_ecs_cluster" "this" {
  name = var.name

  # the count of running tasks, by which the GPU services scale, comes from here
  setting {
    name  = "containerInsights"
    value = "enhanced"
  }

  configuration {
    # `aws ecs execute-command`, where a service allows it: encrypted, and all of it is logged
    execute_command_configuration {
      kms_key_id = var.kms_key_arn
      logging    = "OVERRIDE"
      log_configuration {
        cloud_watch_encryption_enabled = true
        cloud_watch_log_group_name     = aws_cloudwatch_log_group.commands.name
      }
    }
  }
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = concat(["FARGATE", "FARGATE_SPOT"], var.gpu_capacity_providers)

  default_capacity_provider_strategy {
    capacity_provider = "FARGATE"
    weight            = 1
  }
}
