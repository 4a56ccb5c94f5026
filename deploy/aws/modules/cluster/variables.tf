variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "gpu_capacity_providers" {
  description = "Capacity providers of the GPU pools."
  type        = list(string)
}

variable "log_days" {
  description = "Days that the log of commands is kept."
  type        = number
}

variable "kms_key_arn" {
  description = "Key that encrypts commands and their log."
  type        = string
}
