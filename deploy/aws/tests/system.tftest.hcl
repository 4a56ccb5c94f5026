# The whole, as in production: who may do what, what each process is given, what is refused.

mock_provider "aws" {
  source          = "./tests/mocks"
  override_during = plan
}

variables {
  name                 = "scribe"
  production           = true
  availability_zones   = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  public_host          = "scribe.example.org"
  certificate_arn      = "arn:aws:acm:eu-central-1:123456789012:certificate/0a1b2c3d"
  bucket               = "scribe-objects-example"
  image_tag            = "1.2.3"
  collector_digest     = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
  database_password    = "a-password-for-the-first-minutes"
  nat_gateway_per_zone = true
  deletion_protection  = true
  database = {
    instance_class = "db.r7g.large", storage_gb = 100, max_storage_gb = 1000
    multi_az       = true, replica = true, backup_days = 14, final_snapshot = true
  }
  kafka = {
    instance_type = "kafka.m7g.large", storage_gb = 100, max_storage_gb = 1000
    scram_users   = { telephony = true }, client_cidrs = ["10.20.0.0/16"]
  }
  gpu_pools = {
    g4dn = { instance_types = ["g4dn.xlarge"], on_demand_base = 1, max_instances = 6, min_tasks = 1, max_tasks = 6, audio_seconds_per_task = 7200, share = 0.4 }
    g5   = { instance_types = ["g5.xlarge"], on_demand_base = 0, max_instances = 6, min_tasks = 0, max_tasks = 6, audio_seconds_per_task = 14400, share = 0.6 }
  }
}

run "production" {
  command = plan

  assert {
    condition     = toset(keys(output.task_definitions)) == toset(["api", "relay", "persist", "enhance", "webhooks", "dispatch", "retention", "operator", "gpu-g4dn", "gpu-g5"])
    error_message = "every process has a task definition"
  }
  assert {
    condition     = alltrue(flatten([for process, statements in output.task_policies : [for statement in statements : [for action in statement.Action : !strcontains(action, "*")]]]))
    error_message = "no process has a wildcard among its actions"
  }
  assert {
    condition     = alltrue(flatten([for process, statements in output.task_policies : [for statement in statements : [for resource in statement.Resource : startswith(resource, "arn:aws:")]]]))
    error_message = "nor among its resources"
  }
  assert {
    condition     = toset([for process, statements in output.task_policies : process if anytrue([for statement in statements : contains(statement.Action, "s3:DeleteObject")])]) == toset(["persist", "retention", "operator"])
    error_message = "the shim and GPU tasks delete no object"
  }
  assert {
    condition     = toset([for process, statements in output.task_policies : process if anytrue([for statement in statements : contains(statement.Action, "s3:DeleteObjectVersion")])]) == toset(["retention"])
    error_message = "only retention deletes versions"
  }
  assert {
    condition     = toset([for process, statements in output.task_policies : process if anytrue([for statement in statements : contains(statement.Action, "kafka-cluster:Connect")])]) == toset(["relay", "persist", "enhance", "webhooks", "gpu", "operator"])
    error_message = "the shim, the dispatcher and retention never talk to Kafka"
  }
  assert {
    condition     = toset([for process, statements in output.task_policies : process if anytrue([for statement in statements : contains(statement.Action, "kafka-cluster:CreateTopic")])]) == toset(["operator"])
    error_message = "only the operator makes topics"
  }
  assert {
    condition     = toset([for process, statements in output.task_policies : process if anytrue([for statement in statements : contains(statement.Action, "ecs:UpdateTaskProtection")])]) == toset(["gpu"])
    error_message = "a GPU task may protect itself"
  }
  assert {
    condition     = toset([for name, definition in output.task_definitions : name if anytrue([for container in definition.containerDefinitions : anytrue([for secret in try(container.secrets, []) : secret.name == "PGPASSWORD"])])]) == toset(["api", "relay", "persist", "enhance", "webhooks", "dispatch", "retention", "operator"])
    error_message = "GPU tasks have no password of the database"
  }
  assert {
    condition     = alltrue(flatten([for name, definition in output.task_definitions : [for container in definition.containerDefinitions : [for variable in try(container.environment, []) : !contains(jsondecode(file("settings.json")).secrets, variable.name) || startswith(variable.value, "postgresql://scribe@")]]]))
    error_message = "no secret stands in a task definition"
  }
  assert {
    condition     = alltrue(flatten([for name, definition in output.task_definitions : [for container in definition.containerDefinitions : [for variable in try(container.environment, []) : strcontains(variable.value, "sslmode=verify-full") if variable.name == "SCRIBE_POSTGRES_DSN"]]]))
    error_message = "PostgreSQL is reached over TLS, with its certificate checked"
  }
  assert {
    condition     = length(aws_vpc_security_group_egress_rule.strangers) == 2 && alltrue([for rule in aws_vpc_security_group_egress_rule.strangers : rule.from_port == 443])
    error_message = "the dispatcher and GPU tasks call strangers, over HTTPS; nobody else does"
  }
  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "the key is made anew each year, and not deleted by mistake"
  }
  assert {
    condition     = length(setsubtract(["scribe-shim-errors", "scribe-jobs-oldest-waiting", "scribe-figures-missing", "scribe-kafka-offline", "scribe-scribe-storage", "scribe-relay-tasks", "scribe-persist-errors"], module.alarms.names)) == 0
    error_message = "there are alarms on the shim, jobs, figures, brokers, disks, tasks and errors"
  }
  assert {
    condition     = one([for container in output.task_definitions["gpu-g4dn"].containerDefinitions : [for variable in container.environment : variable.value if variable.name == "SCRIBE_DRAIN_SECONDS"] if container.name == "gpu"]) == ["75"]
    error_message = "a GPU task drains within what ECS and a spot notice give"
  }
  assert {
    condition     = strcontains(one([for container in output.task_definitions["api"].containerDefinitions : container.environment[0].value if container.name == "collector"]), "scribe_rabbit_audio_pending_seconds")
    error_message = "the metric of scaling is published beside the shim"
  }
}

run "a_trial" {
  command = plan
  variables {
    production           = false
    nat_gateway_per_zone = false
    deletion_protection  = false
    database             = { instance_class = "db.t4g.medium", storage_gb = 20, max_storage_gb = 50, multi_az = false, backup_days = 1, final_snapshot = false }
    processes            = { api = { min = 1, max = 1 }, persist = { min = 1 } }
    gpu_pools            = { g4dn = { instance_types = ["g4dn.xlarge"], on_demand_base = 0, max_instances = 1, min_tasks = 0, max_tasks = 1, audio_seconds_per_task = 3600 } }
  }
  assert {
    condition     = length(output.task_definitions) == 9
    error_message = "one pool, one GPU service"
  }
}

# every setting that may be given is given: deploy/checks compares the names with those in the code
run "everything_given" {
  command = plan
  variables {
    object_retention_days = 365
    enhanced_ai           = { endpoint = "https://llm.example.org/v1", kind = "openai", models = "small,large" }
    settings              = { for name in distinct(flatten(values(jsondecode(file("settings.json")).processes))) : name => "given" if !contains(jsondecode(file("settings.json")).secrets, name) }
    secret_settings       = { for name in jsondecode(file("settings.json")).secrets : name => "arn:aws:secretsmanager:eu-central-1:123456789012:secret:given-AbCdEf" if contains(flatten(values(jsondecode(file("settings.json")).processes)), name) && !strcontains(name, "DSN") }
  }
  assert {
    condition = alltrue([for process, names in jsondecode(file("settings.json")).processes : toset(names) == setsubtract(toset(flatten([for container in output.task_definitions[process].containerDefinitions :
      concat([for variable in try(container.environment, []) : variable.name], [for secret in try(container.secrets, []) : secret.name]) if container.name == process
    ])), ["PGPASSWORD"]) if process != "gpu"])
    error_message = "each process is given the settings that it reads, no fewer and no more"
  }
  assert {
    condition = toset(jsondecode(file("settings.json")).processes.gpu) == toset(flatten([for container in output.task_definitions["gpu-g5"].containerDefinitions :
      concat([for variable in container.environment : variable.name], [for secret in container.secrets : secret.name]) if container.name == "gpu"
    ]))
    error_message = "so is a GPU process"
  }
}

run "an_unknown_setting_is_refused" {
  command = plan
  variables { settings = { SCRIBE_LOG_LEVLE = "debug" } }
  expect_failures = [var.settings]
}

run "a_secret_among_the_settings_is_refused" {
  command = plan
  variables { settings = { SCRIBE_WEBHOOK_KEY = "hunter2" } }
  expect_failures = [var.settings]
}

run "an_unpinned_collector_is_refused" {
  command = plan
  variables { collector_digest = "latest" }
  expect_failures = [var.collector_digest]
}

run "the_latest_image_is_refused" {
  command = plan
  variables { image_tag = "latest" }
  expect_failures = [var.image_tag]
}

run "every_bucket_as_a_source_is_refused" {
  command = plan
  variables { source_bucket_arns = ["arn:aws:s3:::*"] }
  expect_failures = [var.source_bucket_arns]
}

run "plain_http_to_the_enhanced_ai_service_is_refused" {
  command = plan
  variables { enhanced_ai = { endpoint = "http://llm.example.org/v1" } }
  expect_failures = [var.enhanced_ai]
}

run "more_gpu_tasks_than_partitions_are_refused" {
  command = plan
  variables {
    gpu_pools = { g4dn = { instance_types = ["g4dn.xlarge"], on_demand_base = 1, max_instances = 20, min_tasks = 1, max_tasks = 20, audio_seconds_per_task = 7200 } }
  }
  expect_failures = [terraform_data.limits]
}

run "shares_that_leave_audio_are_refused" {
  command = plan
  variables {
    gpu_pools = { g4dn = { instance_types = ["g4dn.xlarge"], on_demand_base = 1, max_instances = 2, min_tasks = 1, max_tasks = 2, audio_seconds_per_task = 7200, share = 0.5 } }
  }
  expect_failures = [terraform_data.limits]
}

run "production_on_spot_alone_is_refused" {
  command = plan
  variables {
    gpu_pools = { g4dn = { instance_types = ["g4dn.xlarge"], on_demand_base = 0, max_instances = 2, min_tasks = 1, max_tasks = 2, audio_seconds_per_task = 7200 } }
  }
  expect_failures = [terraform_data.limits]
}

run "more_faust_tasks_than_partitions_are_refused" {
  command = plan
  variables { processes = { persist = { max = 12 } } }
  expect_failures = [terraform_data.limits]
}

run "more_tasks_than_instances_are_refused" {
  command = plan
  variables {
    gpu_pools = { g4dn = { instance_types = ["g4dn.xlarge"], on_demand_base = 1, max_instances = 1, min_tasks = 1, max_tasks = 2, audio_seconds_per_task = 7200 } }
  }
  expect_failures = [var.gpu_pools]
}
