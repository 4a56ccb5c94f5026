variable "bucket" {
  description = "Name of the bucket, unique in the world; its logs go to one with -logs behind it."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,56}[a-z0-9]$", var.bucket))
    error_message = "bucket must have 3 to 58 small letters, digits and dashes."
  }
}

variable "partition" {
  description = "Partition of AWS, such as aws."
  type        = string
  default     = "aws"
}

variable "account_id" {
  description = "Account of the bucket."
  type        = string
}

variable "production" {
  description = "Whether the stricter rules for production apply."
  type        = bool
}

variable "kms_key_arn" {
  description = "Key that encrypts the objects."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key: recordings are never stored unencrypted."
  }
}

variable "versioning" {
  description = "Whether deleted and replaced objects can be had back for a day."
  type        = bool
  default     = false
}

variable "retention_days" {
  description = "Upper bound of the age of objects (SCRIBE_OBJECT_RETENTION_DAYS); null: none."
  type        = number
  default     = null

  validation {
    condition     = var.retention_days == null || coalesce(var.retention_days, 0) >= 30
    error_message = "retention_days must be 30 at least: records in Kafka name objects for as long (topics scribe.results and dead letters)."
  }
}

variable "log_days" {
  description = "Days that access logs are kept."
  type        = number
}

variable "deletion_protection" {
  description = "Whether a bucket with objects in it cannot be deleted."
  type        = bool
}
