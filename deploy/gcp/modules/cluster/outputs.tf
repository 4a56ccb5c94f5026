output "name" {
  description = "The cluster."
  value       = google_container_cluster.this.name
}

output "workload_pool" {
  description = "What workload identities end with."
  value       = "${var.project}.svc.id.goog"
}

output "gpu_pools" {
  description = "The accelerator of each pool, as pods choose it, and whether it is spot."
  value = {
    for name, pool in var.gpu_pools : name => { accelerator = local.gpus[pool.gpu].accelerator, spot = pool.spot }
  }
}
