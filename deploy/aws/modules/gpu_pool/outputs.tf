output "capacity_provider" {
  description = "Name of the capacity provider."
  value       = aws_ecs_capacity_provider.this.name
}

output "models_folder" {
  description = "Folder of models on the instances."
  value       = var.models_folder
}
