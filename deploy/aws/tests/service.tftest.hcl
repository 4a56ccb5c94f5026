# A process as a service: hardened, with what it may and nothing else.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                 = "persist"
  process              = "persist"
  region               = "eu-central-1"
  account_id           = "123456789012"
  production           = true
  cluster_arn          = "arn:aws:ecs:eu-central-1:123456789012:cluster/scribe"
  cluster_name         = "scribe"
  capacity_providers   = [{ name = "FARGATE" }]
  image                = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/scribe/streams:1.2.3"
  repository_arns      = ["arn:aws:ecr:eu-central-1:123456789012:repository/scribe/streams"]
  command              = ["scribe-streams", "persist"]
  environment          = { SCRIBE_LOG_LEVEL = "info" }
  secrets              = { SCRIBE_WEBHOOK_KEY = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:key-AbCdEf", PGPASSWORD = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds-AbCdEf:password::" }
  rds_certificates_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:ca-AbCdEf"
  statements           = [{ Sid = "Objects", Effect = "Allow", Action = ["s3:GetObject"], Resource = ["arn:aws:s3:::bucket/*"] }]
  cpu                  = 512
  memory               = 1024
  stop_timeout         = 105
  tasks                = { min = 2, max = 6 }
  subnet_ids           = ["subnet-1"]
  security_group_id    = "sg-1"
  log_days             = 90
  kms_key_arn          = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d"
}

run "on_fargate" {
  command = plan
  module { source = "./modules/service" }

  assert {
    condition     = alltrue([for container in jsondecode(aws_ecs_task_definition.this.container_definitions) : container.readonlyRootFilesystem && !container.privileged && container.linuxParameters.capabilities.drop == ["ALL"]])
    error_message = "no container can write to its root, or has a capability"
  }
  assert {
    condition     = one([for container in jsondecode(aws_ecs_task_definition.this.container_definitions) : container.user if container.essential]) == "10001:10001"
    error_message = "the process is nobody's root"
  }
  assert {
    condition     = one([for container in jsondecode(aws_ecs_task_definition.this.container_definitions) : container.stopTimeout if container.essential]) == 105
    error_message = "it has its time to end in good order"
  }
  assert {
    condition     = one([for container in jsondecode(aws_ecs_task_definition.this.container_definitions) : container.healthCheck.command if container.essential]) == ["CMD", "healthcheck", "/livez"]
    error_message = "it is judged by /livez"
  }
  assert {
    condition     = toset([for secret in one([for container in jsondecode(aws_ecs_task_definition.this.container_definitions) : container.secrets if container.essential]) : secret.name]) == toset(["PGPASSWORD", "SCRIBE_WEBHOOK_KEY"])
    error_message = "secrets come from Secrets Manager"
  }
  assert {
    condition     = !strcontains(aws_ecs_task_definition.this.container_definitions, "hunter2") && !aws_ecs_service.this[0].enable_execute_command
    error_message = "nobody enters a container"
  }
  assert {
    condition     = !aws_ecs_service.this[0].network_configuration[0].assign_public_ip
    error_message = "no task has a public address"
  }
  assert {
    condition     = aws_ecs_service.this[0].deployment_circuit_breaker[0].enable && aws_ecs_service.this[0].deployment_circuit_breaker[0].rollback
    error_message = "a release that does not start is taken back"
  }
  assert {
    condition     = aws_ecs_service.this[0].deployment_minimum_healthy_percent == 100 && aws_ecs_service.this[0].deployment_maximum_percent == 200
    error_message = "new tasks start before old ones end"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.task[0].policy).Statement[*].Action == [["s3:GetObject"]]
    error_message = "the process may do what it was given, no more"
  }
  assert {
    condition     = flatten([for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement.Action if contains(statement.Resource, "*")]) == ["ecr:GetAuthorizationToken"]
    error_message = "one action alone has no resource: the login to ECR knows none"
  }
  assert {
    condition     = toset(flatten([for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement.Resource if contains(statement.Action, "secretsmanager:GetSecretValue")])) == toset(["arn:aws:secretsmanager:eu-central-1:123456789012:secret:key-AbCdEf", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds-AbCdEf", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:ca-AbCdEf"])
    error_message = "its tasks are started with its own secrets and no others"
  }
  assert {
    condition     = jsondecode(aws_iam_role.task.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "123456789012"
    error_message = "only the ECS of this account takes its roles"
  }
  assert {
    condition     = aws_cloudwatch_log_group.this.retention_in_days == 90 && aws_cloudwatch_log_group.this.kms_key_id == var.kms_key_arn
    error_message = "its log is encrypted, and ends"
  }
  assert {
    condition     = aws_appautoscaling_target.this[0].min_capacity == 2 && aws_appautoscaling_target.this[0].max_capacity == 6
    error_message = "it grows with its work"
  }
}

run "on_a_gpu" {
  command = plan
  module { source = "./modules/service" }
  variables {
    name               = "gpu-g4dn"
    process            = "gpu"
    gpus               = 1
    models_folder      = "/var/lib/scribe/models"
    capacity_providers = [{ name = "scribe-g4dn" }]
    tasks              = { min = 0, max = 6 }
  }

  assert {
    condition     = one([for container in jsondecode(aws_ecs_task_definition.this.container_definitions) : container.resourceRequirements if container.essential]) == [{ type = "GPU", value = "1" }]
    error_message = "a task has a GPU of its own"
  }
  assert {
    condition     = aws_ecs_task_definition.this.requires_compatibilities == toset(["EC2"])
    error_message = "Fargate has no GPUs"
  }
  assert {
    condition     = one([for volume in aws_ecs_task_definition.this.volume : volume.host_path if volume.name == "models"]) == "/var/lib/scribe/models"
    error_message = "models stay on the instance"
  }
  assert {
    condition     = aws_ecs_service.this[0].deployment_minimum_healthy_percent == 0 && aws_ecs_service.this[0].deployment_maximum_percent == 100
    error_message = "an upgrade needs no second GPU"
  }
  assert {
    condition     = one(aws_ecs_service.this[0].capacity_provider_strategy).capacity_provider == "scribe-g4dn"
    error_message = "it runs on its pool"
  }
  assert {
    condition     = length(aws_appautoscaling_target.this) == 0
    error_message = "CPU says nothing of a GPU: it scales by pending audio"
  }
}

run "without_a_service" {
  command = plan
  module { source = "./modules/service" }
  variables { tasks = null }
  assert {
    condition     = length(aws_ecs_service.this) == 0
    error_message = "the operator's command is only a task definition"
  }
}

run "a_wildcard_policy_is_refused" {
  command = plan
  module { source = "./modules/service" }
  variables { statements = [{ Sid = "All", Effect = "Allow", Action = ["s3:*"], Resource = ["arn:aws:s3:::bucket/*"] }] }
  expect_failures = [var.statements]
}

run "a_policy_over_everything_is_refused" {
  command = plan
  module { source = "./modules/service" }
  variables { statements = [{ Sid = "All", Effect = "Allow", Action = ["s3:GetObject"], Resource = ["*"] }] }
  expect_failures = [var.statements]
}

run "a_secret_in_the_task_definition_is_refused" {
  command = plan
  module { source = "./modules/service" }
  variables { secrets = { SCRIBE_WEBHOOK_KEY = "hunter2" } }
  expect_failures = [var.secrets]
}

run "the_latest_image_is_refused" {
  command = plan
  module { source = "./modules/service" }
  variables { image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/scribe/streams:latest" }
  expect_failures = [var.image]
}

run "a_process_without_time_to_end_is_refused" {
  command = plan
  module { source = "./modules/service" }
  variables { stop_timeout = 5 }
  expect_failures = [var.stop_timeout]
}

run "more_time_than_fargate_gives_is_refused" {
  command = plan
  module { source = "./modules/service" }
  variables { stop_timeout = 300 }
  expect_failures = [aws_ecs_task_definition.this]
}

run "a_single_task_in_production_is_refused" {
  command = plan
  module { source = "./modules/service" }
  variables { tasks = { min = 1, max = 6 } }
  expect_failures = [aws_ecs_service.this]
}
