variable "name" {
  description = "Name of the instance, and prefix of what belongs to it."
  type        = string
}

variable "partition" {
  description = "Partition of AWS, such as aws."
  type        = string
  default     = "aws"
}

variable "region" {
  description = "Region, for the address of Secrets Manager."
  type        = string
}

variable "production" {
  description = "Whether the stricter rules for production apply."
  type        = bool
}

variable "vpc_id" {
  description = "VPC of the instance."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets without a way out, in two zones at least."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids must name subnets in two zones at least."
  }
}

variable "client_security_group_ids" {
  description = "Security groups of the processes that use the database, by name."
  type        = map(string)

  validation {
    condition     = alltrue([for id in values(var.client_security_group_ids) : !can(cidrhost(id, 0))])
    error_message = "client_security_group_ids takes security groups only: the database is open to no network."
  }
}

variable "rotation_subnet_ids" {
  description = "Private subnets of the function that makes passwords."
  type        = list(string)
}

variable "endpoints_security_group_id" {
  description = "Security group of the VPC's endpoints."
  type        = string
}

variable "password" {
  description = "Password for the first minutes of the database; later ones are made by rotation, and what is given here then is not looked at."
  type        = string
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = length(var.password) >= 24
    error_message = "password must have 24 characters at least: aws secretsmanager get-random-password --exclude-punctuation."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts storage, backups and the password."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key: the database is never stored unencrypted."
  }
}

variable "major_version" {
  description = "Major version of PostgreSQL."
  type        = string
  default     = "17"

  validation {
    condition     = can(tonumber(var.major_version)) && tonumber(var.major_version) >= 15
    error_message = "major_version must be 15 or newer."
  }
}

variable "instance_class" {
  description = "Size of the instance."
  type        = string
}

variable "storage_gb" {
  description = "Storage to begin with."
  type        = number
}

variable "max_storage_gb" {
  description = "Storage up to which it grows by itself."
  type        = number
}

variable "multi_az" {
  description = "A standby in another zone that takes over."
  type        = bool
}

variable "replica" {
  description = "A replica that answers searches and transcripts (SCRIBE_POSTGRES_READ_DSN)."
  type        = bool
}

variable "backup_days" {
  description = "Days to which the database can be set back."
  type        = number

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "backup_days must be between 1 and 35: without backups nothing can be restored, and a replica cannot be made."
  }
}

variable "password_days" {
  description = "Days after which a new password is made."
  type        = number
  default     = 30

  validation {
    condition     = var.password_days >= 1 && var.password_days <= 90
    error_message = "password_days must be between 1 and 90: a password is not for ever."
  }
}

variable "deletion_protection" {
  description = "Whether it can only be deleted after this was switched off."
  type        = bool
}

variable "final_snapshot" {
  description = "Whether a snapshot remains when it is deleted."
  type        = bool
}

variable "performance_insights" {
  description = "Whether RDS keeps what statements wait for; not every instance class can."
  type        = bool
  default     = true
}
