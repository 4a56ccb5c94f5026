output "registry" {
  description = "What the names of images begin with."
  value       = module.registry.address
}

output "address" {
  description = "Address for the domain's DNS record; null before the second apply."
  value       = one(module.api[*].address)
}

output "database_address" {
  description = "Private address for SCRIBE_POSTGRES_DSN."
  value       = module.database.address
}

output "objects_account" {
  description = "Account for which `gcloud storage hmac create` makes a key."
  value       = module.identity.objects_email
}

output "egress_address" {
  description = "Address for the allow lists of webhook receivers and media servers."
  value       = module.network.egress_address
}

output "settings" {
  description = "Plain settings as NAME=value lines, for the lines of the overlay that are marked CHANGE: terraform output -raw settings."
  value       = module.settings.environment_file
}

output "kubernetes" {
  description = "What else the overlay is given: cluster, accounts of its Kubernetes service accounts, secrets, GPU pools, images."
  value = {
    cluster          = module.cluster.name
    service_accounts = { for process, account in local.kubernetes_accounts : account => module.identity.emails[process] }
    secrets          = [for name in local.overlay_secrets : "${local.name}-${name}"]
    gpu_pools        = module.cluster.gpu_pools
    images           = var.images
  }
}
