variable "region" {
  description = "Region of AWS."
  type        = string
}

variable "availability_zones" {
  description = "Zones of that region."
  type        = list(string)
}

variable "public_host" {
  description = "Public name of the REST shim."
  type        = string
}

variable "certificate_arn" {
  description = "Certificate (ACM, of this region) of that name."
  type        = string
}

variable "bucket" {
  description = "Name of the bucket, unique in the world."
  type        = string
}

variable "image_tag" {
  description = "Tag of the images that you pushed."
  type        = string
}

variable "collector_digest" {
  description = "Digest of the collector in ECR."
  type        = string
}

variable "database_password" {
  description = "Password for the first minutes of the database: TF_VAR_database_password."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "alarm_emails" {
  description = "Addresses that alarms go to."
  type        = set(string)
  default     = []
}
