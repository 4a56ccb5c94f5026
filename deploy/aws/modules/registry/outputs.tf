output "urls" {
  description = "Addresses to push to, by image."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "arns" {
  description = "Repositories, by image."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.arn }
}
