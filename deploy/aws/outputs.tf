output "load_balancer" {
  description = "Address for the record of your public name (alias: name and zone), or of CloudFront where that stands before it."
  value = var.cdn == null ? { name = module.load_balancer.dns_name, zone = module.load_balancer.zone_id } : {
    name = module.cdn[0].domain_name, zone = module.cdn[0].zone_id
  }
}

output "registries" {
  description = "Where to push the images."
  value       = module.registry.urls
}

output "secrets" {
  description = "Secrets that you have to fill."
  value       = module.secrets.arns
}

output "renewal" {
  description = "State machine that starts every service anew, after you changed a secret."
  value       = module.secrets.renewal_arn
}

output "kafka" {
  description = "Brokers and users for upstream systems."
  value = {
    bootstrap_iam   = module.kafka.bootstrap_iam
    bootstrap_scram = module.kafka.bootstrap_scram
    users           = module.kafka.scram_secret_arns
  }
}

output "operator" {
  description = "What `aws ecs run-task` needs to run a command of `scribe` inside."
  value = {
    cluster         = module.cluster.name
    task_definition = module.service["operator"].task_definition_arn
    subnets         = module.network.private_subnet_ids
    security_groups = [aws_security_group.tasks["worker"].id]
  }
}

output "alarms" {
  description = "Topic of the alarms."
  value       = module.alarms.topic_arn
}

output "task_definitions" {
  description = "Every task definition, as ECS is given it."
  value = merge(
    { for name, service in module.service : name => service.task_definition },
    { for name, service in module.gpu_service : "gpu-${name}" => service.task_definition },
  )
}

output "task_policies" {
  description = "What each process may do in AWS."
  value       = merge({ for name, service in module.service : name => service.task_policy }, { gpu = local.statements["gpu"] })
}

output "life_cycle" {
  description = "Life-cycle rules of the bucket."
  value       = module.storage.life_cycle
}
