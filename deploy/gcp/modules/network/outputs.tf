output "network_id" {
  description = "The network."
  value       = google_compute_network.this.id
}

output "subnetwork_id" {
  description = "The subnet of nodes, Cloud Run and Kafka's endpoints."
  value       = google_compute_subnetwork.this.id
}

output "egress_address" {
  description = "The address from which recordings are fetched and webhooks come."
  value       = google_compute_address.egress.address
}

output "services_connection" {
  description = "The connection to Google's network, without which Cloud SQL gets no private address."
  value       = google_service_networking_connection.services.id
}
