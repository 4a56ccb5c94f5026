# What people are called for on AWS. Alert rules for Prometheus see more, where one runs; these need nothing but
# CloudWatch.

module "alarms" {
  source        = "./modules/alarms"
  name          = var.name
  account_id    = local.account_id
  emails        = var.alarm_emails
  log_namespace = "${local.metric_namespace}/logs"
  kms_key_arn   = aws_kms_key.this.arn
  log_groups = merge(
    { for name, service in module.service : name => service.log_group if name != "operator" },
    { for name, service in module.gpu_service : "gpu-${name}" => service.log_group },
  )
  alarms = merge(local.shim_alarms, local.job_alarms, local.database_alarms, local.kafka_alarms, local.service_alarms)
}

locals {
  balancer = { LoadBalancer = module.load_balancer.arn_suffix }
  targets  = merge(local.balancer, { TargetGroup = module.load_balancer.target_group_arn_suffix })

  shim_alarms = {
    shim-errors = {
      description = "The shim answers with errors of its own: its log, and is the database there?"
      namespace   = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", dimensions = local.targets
      statistic   = "Sum", threshold = 10, minutes = 5, missing = "notBreaching"
    }
    shim-unhealthy = {
      description = "A task of the shim does not answer /health"
      namespace   = "AWS/ApplicationELB", metric = "UnHealthyHostCount", dimensions = local.targets
      threshold   = 0, minutes = 5
    }
    shim-slow = {
      description = "Half of the answers take longer than a second"
      namespace   = "AWS/ApplicationELB", metric = "TargetResponseTime", dimensions = local.targets
      statistic   = "Average", threshold = 1, minutes = 10, missing = "notBreaching"
    }
    shim-connections = {
      description = "The load balancer reaches no task of the shim"
      namespace   = "AWS/ApplicationELB", metric = "TargetConnectionErrorCount", dimensions = local.balancer
      statistic   = "Sum", threshold = 10, minutes = 5, missing = "notBreaching"
    }
  }

  job_alarms = {
    jobs-oldest-waiting = {
      description = "A job has waited for an hour: do GPU tasks run, is there a spot instance to be had? scribe why JOB --direct"
      namespace   = local.metric_namespace, metric = "${local.prefix}jobs_oldest_seconds", dimensions = { state = "waiting" }
      threshold   = 3600, minutes = 5
    }
    figures-missing = {
      description = "No figures of waiting audio come: GPU services neither grow nor shrink. Does the shim run, and the collector beside it?"
      namespace   = local.metric_namespace, metric = local.audio_pending, dimensions = { state = "waiting" }
      # never reached: the alarm is about missing figures
      threshold = -1, below = true, minutes = 10, missing = "breaching"
    }
    outbox-oldest = {
      description = "Accepted jobs do not enter Kafka: the relay's log"
      namespace   = local.metric_namespace, metric = "${local.prefix}outbox_oldest_seconds"
      threshold   = 120, minutes = 5
    }
    webhooks-late = {
      description = "Webhooks wait for the dispatcher: is it up, do receivers hang?"
      namespace   = local.metric_namespace, metric = "${local.prefix}webhooks_oldest_due_seconds"
      threshold   = 900, minutes = 5
    }
    webhooks-awaiting-result = {
      description = "Webhooks wait for their results to be applied: is persist behind?"
      namespace   = local.metric_namespace, metric = "${local.prefix}webhook_deliveries_awaiting_result"
      threshold   = 0, minutes = 10
    }
    erasures-pending = {
      description = "An erasure that was asked for is not done: the log of retention"
      namespace   = local.metric_namespace, metric = "${local.prefix}erasures_pending"
      threshold   = 0, minutes = 60
    }
  }

  database_alarms = merge([for identifier in module.database.identifiers : {
    "${identifier}-cpu" = {
      description = "The database computes all the time: a larger instance, or the replica for reads"
      namespace   = "AWS/RDS", metric = "CPUUtilization", dimensions = { DBInstanceIdentifier = identifier }
      statistic   = "Average", threshold = 85, minutes = 15
    }
    "${identifier}-storage" = {
      description = "The disk of the database is nearly full and has grown as far as it may: max_storage_gb"
      namespace   = "AWS/RDS", metric = "FreeStorageSpace", dimensions = { DBInstanceIdentifier = identifier }
      statistic   = "Minimum", threshold = 5368709120, below = true, minutes = 5
    }
    "${identifier}-memory" = {
      description = "The database has little memory left"
      namespace   = "AWS/RDS", metric = "FreeableMemory", dimensions = { DBInstanceIdentifier = identifier }
      statistic   = "Minimum", threshold = 268435456, below = true, minutes = 10
    }
  }]...)

  kafka_alarms = {
    kafka-offline = {
      description = "Partitions are without a leader: brokers are away"
      namespace   = "AWS/Kafka", metric = "OfflinePartitionsCount", dimensions = { "Cluster Name" = module.kafka.cluster_name }
      threshold   = 0, minutes = 5
    }
    kafka-controller = {
      description = "The cluster has no controller, or two"
      namespace   = "AWS/Kafka", metric = "ActiveControllerCount", dimensions = { "Cluster Name" = module.kafka.cluster_name }
      statistic   = "Maximum", threshold = 1, below = true, minutes = 5
    }
  }

  service_alarms = merge(
    { for name in local.service_names : "${name}-tasks" => {
      description = "${name}: no task runs: aws ecs describe-services says why in its events"
      namespace   = "ECS/ContainerInsights", metric = "RunningTaskCount", dimensions = { ClusterName = var.name, ServiceName = name }
      threshold   = 1, below = true, minutes = 10, missing = "breaching"
    } if !startswith(name, "gpu-") },
  )
}
