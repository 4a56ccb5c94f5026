output "arn" {
  description = "The cluster."
  value       = aws_ecs_cluster.this.arn
}

output "name" {
  description = "Name of the cluster, known when its capacity providers are there."
  value       = aws_ecs_cluster.this.name
  depends_on  = [aws_ecs_cluster_capacity_providers.this]
}
