output "processes" {
  description = "Image and command line of each process."
  value       = { for name, process in local.deployed : name => { image = process.image, command = process.command } }
}

output "environment" {
  description = "Plain settings of each process, by variable."
  value       = local.environment
}

output "secret_environment" {
  description = "The id of the secret of each secret setting of each process, by variable."
  value       = local.secret_environment
}

output "secret_readers" {
  description = "The processes that read each secret, by its id."
  value = {
    for id in distinct(values(var.secrets)) : id => [
      for name, secrets in local.secret_environment : name if contains(values(secrets), id)
    ]
  }
}

output "environment_file" {
  description = "All plain settings as lines NAME=value, for the Kubernetes overlay; processes ignore what they do not read."
  value       = join("", [for name, value in local.values : "${name}=${value}\n"])
}
