# Every process as a service. One image, api, runs the shim, the relay and the command; streams all of `scribe-streams`.

locals {
  # stop_timeout: what README "Signals and exit codes" of deploy allows each, and some seconds more
  defaults = {
    api       = { image = "api", command = ["scribe-api"], group = "api", min = 2, max = 6, cpu = 1024, memory = 2048, stop_timeout = 45, single = false }
    relay     = { image = "api", command = ["scribe-relay"], group = "worker", min = 1, max = 1, cpu = 256, memory = 512, stop_timeout = 45, single = true }
    persist   = { image = "streams", command = ["scribe-streams", "persist"], group = "worker", min = 2, max = 6, cpu = 512, memory = 2048, stop_timeout = 105, single = false }
    enhance   = { image = "streams", command = ["scribe-streams", "enhance"], group = "worker", min = 2, max = 6, cpu = 512, memory = 1024, stop_timeout = 105, single = false }
    webhooks  = { image = "streams", command = ["scribe-streams", "webhooks"], group = "worker", min = 2, max = 6, cpu = 512, memory = 1024, stop_timeout = 105, single = false }
    dispatch  = { image = "streams", command = ["scribe-streams", "dispatch"], group = "outbound", min = 2, max = 4, cpu = 512, memory = 1024, stop_timeout = 75, single = false }
    retention = { image = "streams", command = ["scribe-streams", "retention"], group = "worker", min = 1, max = 1, cpu = 256, memory = 512, stop_timeout = 75, single = true }
    operator  = { image = "api", command = ["scribe", "--help"], group = "worker", min = null, max = null, cpu = 512, memory = 1024, stop_timeout = 45, single = true }
  }
  sizes = {
    for process, default in local.defaults : process => merge(default, {
      for key, value in try(var.processes[process], {}) : key => value if value != null
    })
  }
  faust = ["persist", "enhance", "webhooks"]

  service_names = sort(concat([for process in keys(local.defaults) : process if process != "operator"], [for pool in keys(var.gpu_pools) : "gpu-${pool}"]))
  images        = { for image in ["api", "streams", "gpu"] : image => "${module.registry.urls[image]}:${var.image_tag}" }
  # pulled by tasks that reach nothing but this account's registry
  collector = "${module.registry.urls["collector"]}@${var.collector_digest}"
}

module "service" {
  source   = "./modules/service"
  for_each = local.sizes

  name               = each.key
  process            = each.key
  partition          = local.partition
  region             = local.region
  account_id         = local.account_id
  production         = var.production
  cluster_arn        = module.cluster.arn
  cluster_name       = module.cluster.name
  capacity_providers = [{ name = "FARGATE" }]

  image       = local.images[each.value.image]
  command     = each.value.command
  environment = local.environment[each.key]
  secrets     = local.process_secrets[each.key]
  statements  = local.statements[each.key]
  repository_arns = [
    for image in concat([each.value.image], contains(keys(local.published), each.key) ? ["collector"] : []) : module.registry.arns[image]
  ]

  rds_certificates_arn = contains(local.known.processes[each.key], "SCRIBE_POSTGRES_DSN") ? module.secrets.arns["rds-certificates"] : null
  collector_image      = contains(keys(local.published), each.key) ? local.collector : null
  collector_config     = try(local.collector_config[each.key], "")

  cpu          = each.value.cpu
  memory       = each.value.memory
  stop_timeout = each.value.stop_timeout
  tasks        = each.value.min == null ? null : { min = each.value.min, max = each.value.max }
  single       = each.value.single

  port              = each.key == "api" ? local.api_port : null
  target_group_arn  = each.key == "api" ? module.load_balancer.target_group_arn : null
  subnet_ids        = module.network.private_subnet_ids
  security_group_id = aws_security_group.tasks[each.value.group].id
  log_days          = var.log_days
  kms_key_arn       = aws_kms_key.this.arn
}

module "gpu_service" {
  source   = "./modules/service"
  for_each = var.gpu_pools

  name               = "gpu-${each.key}"
  process            = "gpu"
  partition          = local.partition
  region             = local.region
  account_id         = local.account_id
  production         = var.production
  cluster_arn        = module.cluster.arn
  cluster_name       = module.cluster.name
  capacity_providers = [{ name = module.gpu_pool[each.key].capacity_provider }]

  image           = local.images["gpu"]
  repository_arns = [module.registry.arns["gpu"]]
  command         = ["scribe-gpu", "--stages", each.value.stages]
  environment = merge(local.environment["gpu"], {
    SCRIBE_TRANSCRIBE_WORKERS = tostring(each.value.transcribe_workers)
    SCRIBE_DIARIZE_WORKERS    = tostring(each.value.diarize_workers)
  })
  secrets       = local.process_secrets["gpu"]
  statements    = local.statements["gpu"]
  models_folder = module.gpu_pool[each.key].models_folder

  gpus         = 1
  cpu          = each.value.cpu
  memory       = each.value.memory
  stop_timeout = local.gpu_stop_timeout
  tasks        = { min = each.value.min_tasks, max = each.value.max_tasks }

  subnet_ids        = module.network.private_subnet_ids
  security_group_id = aws_security_group.tasks["gpu"].id
  log_days          = var.log_days
  kms_key_arn       = aws_kms_key.this.arn
}

module "gpu_scaling" {
  source                 = "./modules/gpu_scaling"
  for_each               = var.gpu_pools
  cluster_name           = module.cluster.name
  service_name           = module.gpu_service[each.key].name
  metric_namespace       = local.metric_namespace
  metric_name            = local.audio_pending
  audio_seconds_per_task = each.value.audio_seconds_per_task
  share                  = each.value.share
  min_tasks              = each.value.min_tasks
  max_tasks              = each.value.max_tasks
  # a service that does not exist cannot be scaled
  depends_on = [module.gpu_service]
}

# what no variable alone can know
resource "terraform_data" "limits" {
  input = local.service_names

  lifecycle {
    precondition {
      condition     = sum([for pool in values(var.gpu_pools) : pool.max_tasks]) <= var.gpu_partitions
      error_message = "gpu_pools have more tasks together than the job topics have partitions (gpu_partitions): the rest would stand idle."
    }
    precondition {
      condition     = alltrue([for process in local.faust : local.sizes[process].max <= var.partitions])
      error_message = "A Faust app has more tasks than its topics have partitions (partitions): the rest would stand idle."
    }
    precondition {
      condition     = abs(sum([for pool in values(var.gpu_pools) : pool.share]) - 1) < 0.001
      error_message = "The shares of all gpu_pools must be 1 together: what they leave is worked on too late, what they have twice costs twice."
    }
    precondition {
      condition     = local.sizes.api.min >= 1
      error_message = "One task of the shim must always run: it publishes the metric by which GPU tasks start."
    }
    precondition {
      condition     = !var.production || sum([for pool in values(var.gpu_pools) : pool.on_demand_base + (pool.on_demand_percentage > 0 ? 1 : 0)]) >= 1
      error_message = "Production needs an on-demand base in one pool at least: there are hours without a spot instance."
    }
  }
}
