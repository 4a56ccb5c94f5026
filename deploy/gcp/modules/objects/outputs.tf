output "bucket" {
  description = "Value of SCRIBE_S3_BUCKET."
  value       = google_storage_bucket.this.name
}

output "endpoint" {
  description = "Value of SCRIBE_S3_ENDPOINT."
  value       = "https://storage.googleapis.com"
}
