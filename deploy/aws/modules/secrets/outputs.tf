output "arns" {
  description = "Secrets by name."
  value       = { for name, secret in aws_secretsmanager_secret.this : name => secret.arn }
}

output "renewal_arn" {
  description = "State machine that starts every service anew: run it after you changed a secret."
  value       = aws_sfn_state_machine.renewal.arn
}
