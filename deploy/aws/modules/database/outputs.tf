output "address" {
  description = "Host of the primary."
  value       = aws_db_instance.primary.address
}

output "replica_address" {
  description = "Host of the replica, null without one."
  value       = one(aws_db_instance.replica[*].address)
}

output "port" {
  description = "Port of both."
  value       = local.port
}

output "identifiers" {
  description = "Names of the instances in metrics: the primary, and the replica when there is one."
  value       = concat([aws_db_instance.primary.identifier], aws_db_instance.replica[*].identifier)
}

output "security_group_id" {
  description = "Security group of the database."
  value       = aws_security_group.this.id
}

output "password_secret_arn" {
  description = "Secret with the keys username and password, among others."
  value       = aws_secretsmanager_secret.password.arn
}
