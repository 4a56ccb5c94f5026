variable "name" {
  description = "Name of the instance. A name cannot be used again for a week after its deletion."
  type        = string
}

variable "region" {
  description = "Region of the database."
  type        = string
}

variable "network_id" {
  description = "Network in which it gets its only address."
  type        = string
}

variable "kms_key" {
  description = "Key that encrypts disks and backups."
  type        = string
}

variable "database" {
  description = "Name of the database."
  type        = string
  default     = "scribe"
}

variable "edition" {
  description = "ENTERPRISE, or ENTERPRISE_PLUS with its own tiers."
  type        = string
  default     = "ENTERPRISE"
}

variable "tier" {
  description = "Machine of the primary, such as db-custom-2-8192."
  type        = string
}

variable "replica_tier" {
  description = "Machine of a replica for reading; null: none."
  type        = string
  default     = null
}

variable "highly_available" {
  description = "Whether a second zone has a standby that takes over."
  type        = bool
}

variable "disk_gigabytes" {
  description = "Size of the disk at the beginning; it grows by itself."
  type        = number
  default     = 50
}

variable "max_connections" {
  description = "Connections of all processes together: the sum of their SCRIBE_POSTGRES_POOL_SIZE, twice during an upgrade."
  type        = number
  default     = 400
}

variable "retained_backups" {
  description = "Daily backups that are kept."
  type        = number
  default     = 30

  validation {
    condition     = var.retained_backups >= 7
    error_message = "Keep at least a week of backups."
  }
}
