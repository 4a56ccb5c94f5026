variable "project" {
  description = "Project."
  type        = string
}

variable "name" {
  description = "Prefix of the secrets' ids."
  type        = string
}

variable "region" {
  description = "Region that keeps the secrets."
  type        = string
}

variable "names" {
  description = "The secrets, without the prefix."
  type        = set(string)
}

variable "readers" {
  description = "The processes that read each secret, by its id with the prefix."
  type        = map(list(string))
}

variable "members" {
  description = "The processes' accounts as members of IAM policies."
  type        = map(string)
}

variable "kms_key" {
  description = "Key that encrypts the secrets."
  type        = string
}

variable "pubsub_key" {
  description = "Key that encrypts the reminders."
  type        = string
}

variable "rotation_days" {
  description = "Days after which a secret is due."
  type        = number
  default     = 90

  validation {
    condition     = var.rotation_days >= 1 && var.rotation_days <= 365
    error_message = "Secrets are due after 1 to 365 days."
  }
}

variable "next_rotation" {
  description = "When they are due for the first time, such as 2030-01-31T06:00:00Z; in the future."
  type        = string
}
