# Scaling of a GPU service by the audio that is pending: seconds waiting and running, for each task that there is.
#
# The figures come from the REST shim: it asks the database, the collector beside it reads its /metrics and writes them
# into its log in CloudWatch's embedded metric format, and CloudWatch makes a metric of them.

locals {
  resource_id = "service/${var.cluster_name}/${var.service_name}"
  # the metric of each state; every shim knows the same, so the highest counts, never the sum
  states = { waiting = "waiting", running = "running" }
  # a pool does its share of the audio; no task counts as one, so that the first job is seen
  per_task = "(waiting + running) * ${var.share} / IF(FILL(tasks, 0) < 1, 1, FILL(tasks, 0))"
}

resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = local.resource_id
  min_capacity       = var.min_tasks
  max_capacity       = var.max_tasks

  lifecycle {
    precondition {
      condition     = var.min_tasks <= var.max_tasks
      error_message = "min_tasks must not be more than max_tasks."
    }
  }
}

resource "aws_appautoscaling_policy" "pending" {
  name               = "${var.service_name}-audio-pending"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.audio_seconds_per_task
    scale_out_cooldown = var.scale_out_cooldown
    scale_in_cooldown  = var.scale_in_cooldown

    customized_metric_specification {
      dynamic "metrics" {
        for_each = local.states
        content {
          id          = metrics.key
          return_data = false
          metric_stat {
            stat = "Maximum"
            metric {
              namespace   = var.metric_namespace
              metric_name = var.metric_name
              dimensions {
                name  = "state"
                value = metrics.value
              }
            }
          }
        }
      }

      metrics {
        id          = "tasks"
        return_data = false
        metric_stat {
          stat = "Average"
          metric {
            namespace   = "ECS/ContainerInsights"
            metric_name = "RunningTaskCount"
            dimensions {
              name  = "ClusterName"
              value = var.cluster_name
            }
            dimensions {
              name  = "ServiceName"
              value = var.service_name
            }
          }
        }
      }

      metrics {
        id          = "per_task"
        label       = "Seconds of audio for each task"
        expression  = local.per_task
        return_data = true
      }
    }
  }
}

# from nothing: the first task is not left to a rule that multiplies what there is
resource "aws_appautoscaling_policy" "wake" {
  count              = var.min_tasks == 0 ? 1 : 0
  name               = "${var.service_name}-wake"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  step_scaling_policy_configuration {
    adjustment_type         = "ChangeInCapacity"
    cooldown                = var.scale_out_cooldown
    metric_aggregation_type = "Maximum"
    step_adjustment {
      metric_interval_lower_bound = 0
      scaling_adjustment          = 1
    }
  }
}

# to nothing: when nothing waits and nothing runs for so long
resource "aws_appautoscaling_policy" "sleep" {
  count              = var.min_tasks == 0 ? 1 : 0
  name               = "${var.service_name}-sleep"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  step_scaling_policy_configuration {
    adjustment_type         = "ExactCapacity"
    cooldown                = var.scale_in_cooldown
    metric_aggregation_type = "Maximum"
    step_adjustment {
      metric_interval_lower_bound = 0
      scaling_adjustment          = 0
    }
  }
}

locals {
  sleep_minutes = 15
  alarms = var.min_tasks > 0 ? {} : {
    wake = {
      description = "Audio waits and no task runs"
      expression  = "IF(waiting > 0 AND FILL(tasks, 0) < 1, 1, 0)"
      periods     = 1
      action      = one(aws_appautoscaling_policy.wake[*].arn)
    }
    sleep = {
      description = "No audio waits or runs"
      expression  = "IF(waiting + running > 0, 0, 1)"
      periods     = local.sleep_minutes
      action      = one(aws_appautoscaling_policy.sleep[*].arn)
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  alarm_name          = "${var.service_name}-${each.key}"
  alarm_description   = each.value.description
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  evaluation_periods  = each.value.periods
  # without figures nothing is started and nothing is ended
  treat_missing_data = "missing"
  alarm_actions      = [each.value.action]

  metric_query {
    id          = "result"
    label       = each.value.description
    expression  = each.value.expression
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.states
    content {
      id          = metric_query.key
      return_data = false
      metric {
        namespace   = var.metric_namespace
        metric_name = var.metric_name
        dimensions  = { state = metric_query.value }
        period      = 60
        stat        = "Maximum"
      }
    }
  }

  dynamic "metric_query" {
    for_each = each.key == "wake" ? ["tasks"] : []
    content {
      id          = metric_query.value
      return_data = false
      metric {
        namespace   = "ECS/ContainerInsights"
        metric_name = "RunningTaskCount"
        dimensions  = { ClusterName = var.cluster_name, ServiceName = var.service_name }
        period      = 60
        stat        = "Average"
      }
    }
  }
}
