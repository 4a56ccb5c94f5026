output "address" {
  description = "Private address of the primary."
  value       = google_sql_database_instance.this.private_ip_address
}

output "replica_address" {
  description = "Private address of the replica, null without one."
  value       = one(google_sql_database_instance.replica[*].private_ip_address)
}

output "name" {
  description = "The instance."
  value       = google_sql_database_instance.this.name
}

output "database" {
  description = "The database."
  value       = google_sql_database.this.name
}
