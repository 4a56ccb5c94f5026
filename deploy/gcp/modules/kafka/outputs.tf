output "bootstrap" {
  description = "Value of SCRIBE_KAFKA_BOOTSTRAP."
  value       = "bootstrap.${google_managed_kafka_cluster.this.cluster_id}.${var.region}.managedkafka.${var.project}.cloud.goog:9092"
}

output "cluster_id" {
  description = "The cluster."
  value       = google_managed_kafka_cluster.this.cluster_id
}
