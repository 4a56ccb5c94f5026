variable "name" {
  description = "First part of the names of the secrets."
  type        = string
}

variable "partition" {
  description = "Partition of AWS, such as aws."
  type        = string
  default     = "aws"
}

variable "region" {
  description = "Region of the services."
  type        = string
}

variable "account_id" {
  description = "Account that may read the secrets."
  type        = string
}

variable "production" {
  description = "Whether the stricter rules for production apply."
  type        = bool
}

variable "secrets" {
  description = "Secrets to make, with what each is for."
  type        = map(string)
}

variable "kms_key_arn" {
  description = "Key that encrypts the secrets."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key of your own."
  }
}

variable "cluster_name" {
  description = "ECS cluster of the services."
  type        = string
}

variable "services" {
  description = "Services whose tasks start anew after a rotation."
  type        = list(string)
}

variable "rotated_secret_arn" {
  description = "Secret after whose rotation they do: that of the database's password."
  type        = string
}

variable "log_days" {
  description = "Days that logs are kept."
  type        = number
}
