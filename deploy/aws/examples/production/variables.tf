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

variable "collector_image" {
  description = "Image of the AWS Distro for OpenTelemetry collector with its digest."
  type        = string
}

variable "alarm_emails" {
  description = "Addresses that alarms go to."
  type        = set(string)
  default     = []
}
