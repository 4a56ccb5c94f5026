variable "name" {
  description = "Name of the service and of the balancer's parts."
  type        = string
}

variable "region" {
  description = "Region of the service."
  type        = string
}

variable "domain" {
  description = "Host name of SCRIBE_PUBLIC_URL; its DNS record must lead to the balancer before the certificate is made."
  type        = string
}

variable "image" {
  description = "The image of the shim by digest."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "Name the image by digest (…@sha256:…): a tag may become another image."
  }
}

variable "command" {
  description = "The command line of the process."
  type        = list(string)
}

variable "service_account" {
  description = "Account of the process."
  type        = string
}

variable "kms_key" {
  description = "Key that encrypts the image as it is kept by Cloud Run."
  type        = string
}

variable "environment" {
  description = "Plain settings by variable."
  type        = map(string)
}

variable "secret_environment" {
  description = "Ids of secrets by variable."
  type        = map(string)
}

variable "postgres_ca_secret" {
  description = "Id of the secret with the certificate of the database's authority."
  type        = string
}

variable "network_id" {
  description = "Network of database and Kafka."
  type        = string
}

variable "subnetwork_id" {
  description = "Subnet of the instances."
  type        = string
}

variable "instances" {
  description = "Fewest and most instances. The most, times SCRIBE_POSTGRES_POOL_SIZE, must fit into the database's connections."
  type        = object({ min = number, max = number })

  validation {
    condition     = var.instances.min >= 1 && var.instances.max >= var.instances.min
    error_message = "At least one instance stays up, for webhooks' links and server-sent events; the most must not be fewer."
  }
}

variable "concurrency" {
  description = "Requests that one instance has at a time; server-sent events count for as long as they last."
  type        = number
  default     = 200
}

variable "limits" {
  description = "Processors and memory of an instance."
  type        = map(string)
  default     = { cpu = "2", memory = "2Gi" }
}

variable "requests_per_minute" {
  description = "Requests that one address may make in a minute."
  type        = number
  default     = 600
}

variable "log_sample_rate" {
  description = "Part of the requests that the balancer logs."
  type        = number
  default     = 0.1
}
