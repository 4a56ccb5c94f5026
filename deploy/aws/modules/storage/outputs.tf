output "bucket" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.this["objects"].id
}

output "log_bucket" {
  description = "Name of the bucket of access logs."
  value       = aws_s3_bucket.this["logs"].id
  # nobody may write logs before its policy is there
  depends_on = [aws_s3_bucket_policy.logs]
}

output "life_cycle" {
  description = "Life-cycle rules of the objects."
  value       = aws_s3_bucket_lifecycle_configuration.objects.rule
}
