variable "project" {
  description = "Project."
  type        = string
}

variable "name" {
  description = "Prefix of the accounts; with the longest process it must have at most 30 characters."
  type        = string

  validation {
    condition     = length(var.name) <= 20
    error_message = "The name must have at most 20 characters: a service account has 30, with its process."
  }
}

variable "processes" {
  description = "The processes that get an account."
  type        = set(string)
}

variable "in_kubernetes" {
  description = "Those of them that run on GKE, where workload identity gives a pod its account."
  type        = set(string)
  default     = []
}

variable "namespace" {
  description = "Kubernetes namespace of the overlay."
  type        = string
  default     = "scribe"
}

variable "kubernetes_prefix" {
  description = "What the overlay's Kubernetes service accounts begin with, before the name of their process."
  type        = string
  default     = "scribe-"
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
