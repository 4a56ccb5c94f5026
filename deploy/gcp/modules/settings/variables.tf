variable "processes" {
  description = "The processes that get settings."
  type        = list(string)
  default     = ["api", "relay", "persist", "enhance", "webhooks", "dispatcher", "retention", "gpu", "migrations", "topics", "operator"]

  validation {
    condition     = length(setsubtract(var.processes, keys(local.processes))) == 0
    error_message = "There are no processes ${join(", ", setsubtract(var.processes, keys(local.processes)))}; there are ${join(", ", keys(local.processes))}."
  }
}

variable "values" {
  description = "Settings by their environment variable; each process gets those that it reads."
  type        = map(string)

  validation {
    condition     = length(setintersection(keys(var.values), local.secret)) == 0
    error_message = "Secrets belong into Secret Manager, for values stand in Terraform's state: ${join(", ", setintersection(keys(var.values), local.secret))}."
  }
  validation {
    condition     = length(setsubtract(setsubtract(keys(var.values), local.plain), local.secret)) == 0
    error_message = "Nobody reads ${join(", ", setsubtract(setsubtract(keys(var.values), local.plain), local.secret))}; schemas/README.md lists every setting."
  }
  validation {
    condition     = length(setsubtract(local.needed_plain, keys(var.values))) == 0
    error_message = "Missing: ${join(", ", setsubtract(local.needed_plain, keys(var.values)))}."
  }
  validation {
    condition     = startswith(lookup(var.values, "SCRIBE_PUBLIC_URL", "https://"), "https://")
    error_message = "SCRIBE_PUBLIC_URL must begin with https://: the balancer serves nothing else."
  }
}

variable "secrets" {
  description = "The id of the secret that holds each secret setting, by its environment variable."
  type        = map(string)

  validation {
    condition     = length(setsubtract(keys(var.secrets), local.secret)) == 0
    error_message = "No secret settings: ${join(", ", setsubtract(keys(var.secrets), local.secret))}; there are ${join(", ", local.secret)}."
  }
  validation {
    condition     = length(setsubtract(local.needed_secret, keys(var.secrets))) == 0
    error_message = "Missing: ${join(", ", setsubtract(local.needed_secret, keys(var.secrets)))}."
  }
}
