# GPU pools and their scaling: spot above an on-demand base, nothing ended while it works, nothing running while idle.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                   = "scribe-g4dn"
  cluster_name           = "scribe"
  vpc_id                 = "vpc-0a1b2c3d"
  vpc_cidr               = "10.40.0.0/16"
  s3_prefix_list_id      = "pl-0a1b2c3d"
  subnet_ids             = ["subnet-1", "subnet-2"]
  instance_types         = ["g4dn.xlarge", "g4dn.2xlarge"]
  on_demand_base         = 1
  max_instances          = 6
  service_name           = "gpu-g4dn"
  metric_namespace       = "ScribeRabbit/scribe"
  metric_name            = "scribe_rabbit_audio_pending_seconds"
  audio_seconds_per_task = 7200
  min_tasks              = 0
  max_tasks              = 6
  kms_key_arn            = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d"
}

run "pool" {
  command = plan
  module { source = "./modules/gpu_pool" }

  assert {
    condition     = aws_ecs_capacity_provider.this.auto_scaling_group_provider[0].managed_termination_protection == "ENABLED" && aws_autoscaling_group.this.protect_from_scale_in
    error_message = "an instance with a task on it is not ended"
  }
  assert {
    condition     = aws_ecs_capacity_provider.this.auto_scaling_group_provider[0].managed_draining == "ENABLED"
    error_message = "an instance that goes is drained first"
  }
  assert {
    condition     = aws_ecs_capacity_provider.this.auto_scaling_group_provider[0].managed_scaling[0].status == "ENABLED" && aws_ecs_capacity_provider.this.auto_scaling_group_provider[0].managed_scaling[0].target_capacity == 100
    error_message = "there are as many instances as the tasks need"
  }
  assert {
    condition     = aws_autoscaling_group.this.min_size == 0 && aws_autoscaling_group.this.max_size == 6
    error_message = "and none when there is no task"
  }
  assert {
    condition     = aws_autoscaling_group.this.mixed_instances_policy[0].instances_distribution[0].on_demand_base_capacity == 1 && aws_autoscaling_group.this.mixed_instances_policy[0].instances_distribution[0].on_demand_percentage_above_base_capacity == 0
    error_message = "the first instance is an on-demand one, all others are spot"
  }
  assert {
    condition     = aws_autoscaling_group.this.mixed_instances_policy[0].launch_template[0].override[*].instance_type == tolist(["g4dn.xlarge", "g4dn.2xlarge"])
    error_message = "any of the types will do"
  }
  assert {
    condition     = aws_launch_template.this.metadata_options[0].http_tokens == "required" && aws_launch_template.this.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "the instance's role is out of reach for containers"
  }
  assert {
    condition     = aws_launch_template.this.block_device_mappings[0].ebs[0].encrypted == "true" && aws_launch_template.this.block_device_mappings[0].ebs[0].kms_key_id == var.kms_key_arn
    error_message = "the disk is encrypted under our key"
  }
  assert {
    condition     = alltrue([for line in ["ECS_CLUSTER=scribe", "ECS_ENABLE_GPU_SUPPORT=true", "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true", "ECS_CONTAINER_STOP_TIMEOUT=110s", "ECS_AWSVPC_BLOCK_IMDS=true"] : strcontains(base64decode(aws_launch_template.this.user_data), line)])
    error_message = "the agent knows of GPUs, drains a spot instance that is taken, and waits as long as the process needs"
  }
  assert {
    condition     = startswith(base64decode(aws_launch_template.this.user_data), "#!/bin/bash\nset -eu\n")
    error_message = "what the instance runs at its start is a script"
  }
  assert {
    condition     = aws_launch_template.this.image_id == "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id"
    error_message = "the image of an instance has NVIDIA's driver"
  }
}

run "a_pool_without_gpus_is_refused" {
  command = plan
  module { source = "./modules/gpu_pool" }
  variables { instance_types = ["m7i.xlarge"] }
  expect_failures = [var.instance_types]
}

run "two_kinds_of_gpu_in_a_pool_are_refused" {
  command = plan
  module { source = "./modules/gpu_pool" }
  variables { instance_types = ["g4dn.xlarge", "g5.xlarge"] }
  expect_failures = [var.instance_types]
}

run "an_unencrypted_disk_is_refused" {
  command = plan
  module { source = "./modules/gpu_pool" }
  variables { kms_key_arn = "" }
  expect_failures = [var.kms_key_arn]
}

run "more_time_than_a_spot_notice_gives_is_refused" {
  command = plan
  module { source = "./modules/gpu_pool" }
  variables { stop_timeout = 600 }
  expect_failures = [var.stop_timeout]
}

run "scaling" {
  command = plan
  module { source = "./modules/gpu_scaling" }

  assert {
    condition     = aws_appautoscaling_target.this.min_capacity == 0 && aws_appautoscaling_target.this.max_capacity == 6
    error_message = "between nothing and the most tasks"
  }
  assert {
    condition     = aws_appautoscaling_policy.pending.target_tracking_scaling_policy_configuration[0].target_value == 7200
    error_message = "a task is to have two hours of audio"
  }
  assert {
    condition     = toset([for metric in aws_appautoscaling_policy.pending.target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metrics : metric.metric_stat[0].metric[0].metric_name if length(metric.metric_stat) > 0]) == toset(["scribe_rabbit_audio_pending_seconds", "RunningTaskCount"])
    error_message = "it is counted by the audio that is pending, for each task that runs"
  }
  assert {
    condition     = one([for metric in aws_appautoscaling_policy.pending.target_tracking_scaling_policy_configuration[0].customized_metric_specification[0].metrics : metric.expression if metric.return_data]) == "(waiting + running) * 1 / IF(FILL(tasks, 0) < 1, 1, FILL(tasks, 0))"
    error_message = "audio that waits and audio in work both count, or a full fleet would look idle"
  }
  assert {
    condition     = aws_appautoscaling_policy.pending.target_tracking_scaling_policy_configuration[0].scale_in_cooldown >= 600
    error_message = "tasks do not come and go within ten minutes"
  }
  assert {
    condition     = aws_appautoscaling_policy.wake[0].step_scaling_policy_configuration[0].adjustment_type == "ChangeInCapacity" && one(aws_appautoscaling_policy.wake[0].step_scaling_policy_configuration[0].step_adjustment).scaling_adjustment == 1
    error_message = "the first task comes when audio waits"
  }
  assert {
    condition     = aws_appautoscaling_policy.sleep[0].step_scaling_policy_configuration[0].adjustment_type == "ExactCapacity" && one(aws_appautoscaling_policy.sleep[0].step_scaling_policy_configuration[0].step_adjustment).scaling_adjustment == 0
    error_message = "and the last goes when there is none"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["sleep"].evaluation_periods == 15 && aws_cloudwatch_metric_alarm.this["sleep"].treat_missing_data == "missing"
    error_message = "for a quarter of an hour; missing figures end nothing"
  }
  assert {
    condition     = one([for query in aws_cloudwatch_metric_alarm.this["wake"].metric_query : query.expression if query.return_data]) == "IF(waiting > 0 AND FILL(tasks, 0) < 1, 1, 0)"
    error_message = "nobody is woken while a task runs"
  }
}

run "a_fleet_that_never_sleeps_has_no_alarms_for_it" {
  command = plan
  module { source = "./modules/gpu_scaling" }
  variables { min_tasks = 1 }
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this) == 0 && length(aws_appautoscaling_policy.sleep) == 0
    error_message = "it keeps its least tasks"
  }
}

run "a_nervous_scale_in_is_refused" {
  command = plan
  module { source = "./modules/gpu_scaling" }
  variables { scale_in_cooldown = 60 }
  expect_failures = [var.scale_in_cooldown]
}

run "a_task_for_every_minute_is_refused" {
  command = plan
  module { source = "./modules/gpu_scaling" }
  variables { audio_seconds_per_task = 10 }
  expect_failures = [var.audio_seconds_per_task]
}

run "less_than_nothing_is_refused" {
  command = plan
  module { source = "./modules/gpu_scaling" }
  variables { min_tasks = 7 }
  expect_failures = [aws_appautoscaling_target.this]
}
