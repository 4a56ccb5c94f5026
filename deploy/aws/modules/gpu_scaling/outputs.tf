output "resource_id" {
  description = "What is scaled."
  value       = aws_appautoscaling_target.this.resource_id
}
