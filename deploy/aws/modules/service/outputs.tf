output "name" {
  description = "Name of the service, also where there is only a task definition."
  value       = var.name
}

output "task_definition_arn" {
  description = "The task definition."
  value       = aws_ecs_task_definition.this.arn
}

output "task_definition" {
  description = "The task definition as RegisterTaskDefinition takes it."
  value = {
    family                  = aws_ecs_task_definition.this.family
    networkMode             = aws_ecs_task_definition.this.network_mode
    requiresCompatibilities = aws_ecs_task_definition.this.requires_compatibilities
    cpu                     = aws_ecs_task_definition.this.cpu
    memory                  = aws_ecs_task_definition.this.memory
    taskRoleArn             = aws_ecs_task_definition.this.task_role_arn
    executionRoleArn        = aws_ecs_task_definition.this.execution_role_arn
    runtimePlatform         = { operatingSystemFamily = "LINUX", cpuArchitecture = "X86_64" }
    volumes                 = [for volume in aws_ecs_task_definition.this.volume : merge({ name = volume.name }, volume.host_path == "" || volume.host_path == null ? {} : { host = { sourcePath = volume.host_path } })]
    containerDefinitions    = jsondecode(aws_ecs_task_definition.this.container_definitions)
  }
}

output "log_group" {
  description = "Log group of the process."
  value       = aws_cloudwatch_log_group.this.name
}

output "task_policy" {
  description = "What the process may do in AWS."
  value       = local.statements
}
