output "emails" {
  description = "The account of each process."
  value       = { for process, account in google_service_account.process : process => account.email }
}

output "members" {
  description = "The same as members of IAM policies."
  value       = { for process, account in google_service_account.process : process => account.member }
}

output "objects_email" {
  description = "The account of the HMAC key."
  value       = google_service_account.objects.email
}

output "nodes_email" {
  description = "The account of GKE's machines."
  value       = google_service_account.nodes.email
}
