output "pools" {
  description = "The worker pools by process."
  value       = { for process, pool in google_cloud_run_v2_worker_pool.this : process => pool.name }
}

output "jobs" {
  description = "The jobs of an upgrade."
  value       = { for process, job in google_cloud_run_v2_job.this : process => job.name }
}
