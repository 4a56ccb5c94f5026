output "ids" {
  description = "The secrets' ids, by their names without the prefix."
  value       = { for name, secret in google_secret_manager_secret.this : name => secret.secret_id }
}

output "due_topic" {
  description = "The Pub/Sub topic that says which secret is due."
  value       = google_pubsub_topic.due.id
}
