output "address" {
  description = "Address for the DNS record of the domain."
  value       = google_compute_global_address.this.address
}

output "service" {
  description = "The Cloud Run service."
  value       = google_cloud_run_v2_service.this.name
}
