# One process of the service on ECS: its task definition, its own roles, its service.

locals {
  on_fargate = var.gpus == 0
  container  = var.process

  # a container may write nowhere but here
  folders = merge(
    { scratch = "/scratch", certificates = "/certificates" },
    var.models_folder == null ? {} : { models = "/models" },
  )

  hardened = {
    readonlyRootFilesystem = true
    privileged             = false
    linuxParameters = {
      initProcessEnabled = true
      capabilities       = { drop = ["ALL"] }
    }
  }

  log = { for container in ["prepare", var.process, "collector"] : container => {
    logDriver = "awslogs"
    options = {
      awslogs-group         = aws_cloudwatch_log_group.this.name
      awslogs-region        = var.region
      awslogs-stream-prefix = container
      # a log that cannot be written holds up no job
      mode            = "non-blocking"
      max-buffer-size = "25m"
    }
  } }

  # the process is nobody's root, and the folders of a task may be root's: the first container opens the one for scratch,
  # and writes the certificates of RDS where the driver of PostgreSQL looks for them
  prepare = merge(local.hardened, {
    name      = "prepare"
    image     = var.image
    essential = false
    user      = "0:0"
    command = ["python", "-c", <<-TEXT
      import os, pathlib
      os.stat("/scratch").st_uid or os.chmod("/scratch", 0o1777)
      pathlib.Path("/certificates/rds.pem").write_text(os.environ.get("RDS_CERTIFICATES", ""))
    TEXT
    ]
    secrets = [for arn in var.rds_certificates_arn[*] : { name = "RDS_CERTIFICATES", valueFrom = arn }]
    mountPoints = [
      { sourceVolume = "scratch", containerPath = "/scratch", readOnly = false },
      { sourceVolume = "certificates", containerPath = "/certificates", readOnly = false },
    ]
    logConfiguration = local.log.prepare
  })

  main = merge(local.hardened, {
    name         = local.container
    image        = var.image
    essential    = true
    user         = "10001:10001"
    command      = var.command
    environment  = [for name in sort(keys(var.environment)) : { name = name, value = var.environment[name] }]
    secrets      = [for name in sort(keys(var.secrets)) : { name = name, valueFrom = var.secrets[name] }]
    stopTimeout  = var.stop_timeout
    dependsOn    = [{ containerName = "prepare", condition = "SUCCESS" }]
    portMappings = [for port in var.port[*] : { containerPort = port, hostPort = port, protocol = "tcp" }]
    mountPoints = [for volume, path in local.folders : {
      sourceVolume = volume, containerPath = path, readOnly = volume == "certificates"
    }]
    healthCheck = {
      command     = ["CMD", "healthcheck", "/livez"]
      interval    = 15
      timeout     = 10
      retries     = 3
      startPeriod = 120
    }
    # a fetch of recordings and connections to brokers need more than the usual 1024
    ulimits              = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]
    resourceRequirements = var.gpus == 0 ? [] : [{ type = "GPU", value = tostring(var.gpus) }]
    logConfiguration     = local.log[var.process]
  })

  collector = [for image in var.collector_image[*] : merge(local.hardened, {
    name             = "collector"
    image            = image
    essential        = false
    environment      = [{ name = "AOT_CONFIG_CONTENT", value = var.collector_config }]
    memory           = 256
    logConfiguration = local.log.collector
  })]
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/${var.cluster_name}/${var.name}"
  retention_in_days = var.log_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_ecs_task_definition" "this" {
  family                   = "${var.cluster_name}-${var.name}"
  requires_compatibilities = [local.on_fargate ? "FARGATE" : "EC2"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  container_definitions    = jsonencode(concat([local.prepare, local.main], local.collector))

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = "X86_64"
  }

  dynamic "volume" {
    for_each = local.folders
    content {
      name = volume.key
      # models stay on the instance for the next task; all else goes with the task
      host_path = volume.key == "models" ? var.models_folder : null
    }
  }

  lifecycle {
    precondition {
      condition     = !local.on_fargate || var.models_folder == null
      error_message = "Fargate has no instance whose folder could hold models."
    }
    precondition {
      condition     = !local.on_fargate || var.stop_timeout <= 120
      error_message = "Fargate waits 120 seconds at most between SIGTERM and SIGKILL."
    }
  }
}

resource "aws_ecs_service" "this" {
  count           = var.tasks == null ? 0 : 1
  name            = var.name
  cluster         = var.cluster_arn
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.tasks.min

  deployment_minimum_healthy_percent = var.gpus > 0 ? 0 : 100
  # a GPU task is ended before its successor starts: jobs wait in Kafka, and no second GPU is paid for meanwhile
  deployment_maximum_percent        = var.gpus > 0 ? 100 : 200
  health_check_grace_period_seconds = var.target_group_arn == null ? null : 60
  availability_zone_rebalancing     = var.gpus > 0 ? "DISABLED" : "ENABLED"
  enable_execute_command            = false
  enable_ecs_managed_tags           = true
  propagate_tags                    = "SERVICE"
  platform_version                  = local.on_fargate ? "1.4.0" : null

  dynamic "capacity_provider_strategy" {
    for_each = var.capacity_providers
    content {
      capacity_provider = capacity_provider_strategy.value.name
      base              = capacity_provider_strategy.value.base
      weight            = capacity_provider_strategy.value.weight
    }
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [var.security_group_id]
    assign_public_ip = false
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  dynamic "load_balancer" {
    for_each = var.target_group_arn[*]
    content {
      target_group_arn = load_balancer.value
      container_name   = local.container
      container_port   = var.port
    }
  }

  lifecycle {
    # scaling decides how many there are
    ignore_changes = [desired_count]

    precondition {
      condition     = !var.production || var.tasks.min >= 2 || var.gpus > 0 || var.single
      error_message = "Production needs two tasks at least of a process that clients or jobs wait for."
    }
  }
}

resource "aws_appautoscaling_target" "this" {
  count              = var.tasks != null && var.gpus == 0 ? 1 : 0
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${var.cluster_name}/${aws_ecs_service.this[0].name}"
  min_capacity       = var.tasks.min
  max_capacity       = var.tasks.max
}

resource "aws_appautoscaling_policy" "cpu" {
  count              = length(aws_appautoscaling_target.this)
  name               = "${var.name}-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = 60
    scale_out_cooldown = 60
    # a member that leaves a group costs it a rebalance
    scale_in_cooldown = 600
    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}
