# What each process finds in its environment. No provider is needed here, so that `terraform test` runs for real.

locals {
  # generated from schemas/settings by `python -m deploy.gcp.data`
  processes = jsondecode(file("${path.module}/processes.json"))
  deployed  = { for name, process in local.processes : name => process if contains(var.processes, name) }

  plain  = toset(flatten([for process in local.processes : process.variables]))
  secret = toset(flatten([for process in local.processes : process.secrets]))

  # without them a process ends at its start, or works with a default that fits a laptop
  needed_plain  = ["SCRIBE_KAFKA_BOOTSTRAP", "SCRIBE_PUBLIC_URL", "SCRIBE_S3_ACCESS_KEY", "SCRIBE_S3_BUCKET", "SCRIBE_S3_ENDPOINT", "SCRIBE_S3_REGION"]
  needed_secret = ["SCRIBE_POSTGRES_DSN", "SCRIBE_S3_SECRET_KEY", "SCRIBE_WEBHOOK_KEY"]

  # every platform of Google's collects stdout, and knows these names
  always = { SCRIBE_LOG_FORMAT = "json", SCRIBE_LOG_FIELDS = "gcp" }
  values = merge(local.always, var.values)

  environment = {
    for name, process in local.deployed : name => {
      for variable in process.variables : variable => local.values[variable] if contains(keys(local.values), variable)
    }
  }
  secret_environment = {
    for name, process in local.deployed : name => {
      for variable in process.secrets : variable => var.secrets[variable] if contains(keys(var.secrets), variable)
    }
  }
}
