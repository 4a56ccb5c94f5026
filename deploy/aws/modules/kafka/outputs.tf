output "arn" {
  description = "The cluster."
  value       = aws_msk_cluster.this.arn
}

output "cluster_name" {
  description = "Name of the cluster in metrics."
  value       = aws_msk_cluster.this.cluster_name
}

output "bootstrap_iam" {
  description = "Brokers for clients with an AWS role."
  value       = aws_msk_cluster.this.bootstrap_brokers_sasl_iam
}

output "bootstrap_scram" {
  description = "Brokers for users with a password, empty without any."
  value       = aws_msk_cluster.this.bootstrap_brokers_sasl_scram
}

output "scram_secret_arns" {
  description = "Secrets of the users with a password."
  value       = { for name, secret in aws_secretsmanager_secret.scram : name => secret.arn }
}

output "security_group_id" {
  description = "Security group of the brokers."
  value       = aws_security_group.this.id
}
