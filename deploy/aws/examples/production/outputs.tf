output "load_balancer" {
  description = "Address for the record of your public name."
  value       = module.scribe.load_balancer
}

output "registries" {
  description = "Where to push the images."
  value       = module.scribe.registries
}

output "secrets" {
  description = "Secrets that you have to fill."
  value       = module.scribe.secrets
}

output "renewal" {
  description = "State machine that starts every service anew."
  value       = module.scribe.renewal
}

output "kafka" {
  description = "Brokers and users for upstream systems."
  value       = module.scribe.kafka
}

output "operator" {
  description = "What `aws ecs run-task` needs."
  value       = module.scribe.operator
}

output "alarms" {
  description = "Topic of the alarms."
  value       = module.scribe.alarms
}
