variable "bucket" {
  description = "Name of the bucket, the only one of that name in the world."
  type        = string
}

variable "region" {
  description = "Region of the bucket; that of the GPUs, for every recording is read there."
  type        = string
}

variable "kms_key" {
  description = "Key that encrypts the objects."
  type        = string
}

variable "objects_email" {
  description = "Account of the HMAC key."
  type        = string
}

variable "retention_days" {
  description = "Value of SCRIBE_OBJECT_RETENTION_DAYS: after so many days objects are deleted; null: never, retention by the policies of tenants alone."
  type        = number
  default     = null

  validation {
    condition     = var.retention_days == null || coalesce(var.retention_days, 0) >= 30
    error_message = "Records of results are kept for 30 days and name objects: keep those at least as long, as `scribe topics check` demands."
  }
}

variable "soft_delete_days" {
  description = "Days for which a deleted object can be had back; 0: none, which is what erasing on request means."
  type        = number
  default     = 0
}
