variable "project" {
  description = "Project."
  type        = string
}

variable "name" {
  description = "Prefix of the accounts."
  type        = string

  validation {
    condition     = length(var.name) <= 13
    error_message = "The name must have at most 13 characters: with -external-secrets behind it, an account has 30."
  }
}

variable "processes" {
  description = "The processes that get an account."
  type        = set(string)
}

variable "kubernetes_accounts" {
  description = "Kubernetes service accounts as namespace/name of those processes that run on GKE, where workload identity makes their pods these accounts."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for account in values(var.kubernetes_accounts) : can(regex("^[a-z0-9-]+/[a-z0-9-]+$", account))])
    error_message = "Name one account each, as namespace/name; there are no wildcards."
  }
}

variable "operators" {
  description = "People who may act as the operator, such as group:transcription-oncall@example.com."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.operators : can(regex("^(user|group):[^@ ]+@[^@ ]+$", member))])
    error_message = "Operators are people: user:… or group:…, neither everybody nor a service account."
  }
}
