variable "name" {
  description = "Prefix of the pools' and jobs' names."
  type        = string
}

variable "region" {
  description = "Region of the instances."
  type        = string
}

variable "pools" {
  description = "Instances and their size for each process; relay and retention need one, more stand by."
  type = map(object({
    instances = number
    limits    = optional(map(string), { cpu = "1", memory = "1Gi" })
  }))

  validation {
    condition     = length(setsubtract(keys(var.pools), ["relay", "persist", "enhance", "webhooks", "dispatcher", "retention"])) == 0
    error_message = "Pools are relay, persist, enhance, webhooks, dispatch and retain; the GPU processes run on GKE."
  }
  validation {
    condition     = alltrue([for pool in values(var.pools) : pool.instances >= 1])
    error_message = "A pool has at least one instance: nothing starts it when work comes."
  }
}

variable "jobs" {
  description = "What is run by hand: two jobs at an upgrade, and the commands of operators."
  type        = set(string)
  default     = ["migrations", "topics", "operator"]
}

variable "processes" {
  description = "Image and command line of each process."
  type        = map(object({ image = string, command = list(string) }))
}

variable "images" {
  description = "The images api and streams by digest."
  type        = map(string)

  validation {
    condition     = alltrue([for image in values(var.images) : can(regex("@sha256:[0-9a-f]{64}$", image))])
    error_message = "Name images by digest (…@sha256:…): a tag may become another image."
  }
}

variable "token_server_image" {
  description = "Image of Google's local token server for Kafka by digest, beside each pool; null: clients show who they are in another way."
  type        = string
  default     = null

  validation {
    condition     = var.token_server_image == null || can(regex("@sha256:[0-9a-f]{64}$", var.token_server_image))
    error_message = "Name the image by digest (…@sha256:…): a tag may become another image."
  }
}

variable "service_accounts" {
  description = "Account of each process."
  type        = map(string)
}

variable "kms_key" {
  description = "Key that encrypts the images as they are kept by Cloud Run."
  type        = string
}

variable "environment" {
  description = "Plain settings of each process by variable."
  type        = map(map(string))
}

variable "secret_environment" {
  description = "Ids of secrets of each process by variable."
  type        = map(map(string))
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
