variable "project" {
  description = "Project."
  type        = string
}

variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "region" {
  description = "Region; the control plane stands in three of its zones."
  type        = string
}

variable "zones" {
  description = "Zones of the nodes: those of the region that have the wanted GPUs."
  type        = list(string)

  validation {
    condition     = length(var.zones) >= 1 && alltrue([for zone in var.zones : can(regex("^[a-z]+-[a-z]+[0-9]+-[a-z]$", zone))])
    error_message = "Name at least one zone, such as europe-west4-a."
  }
}

variable "network_id" {
  description = "Network of database and Kafka."
  type        = string
}

variable "subnetwork_id" {
  description = "Subnet with the secondary ranges pods and services."
  type        = string
}

variable "control_plane_range" {
  description = "A private /28 for the control plane."
  type        = string
  default     = "10.22.0.0/28"

  validation {
    condition     = can(cidrhost(var.control_plane_range, 1)) && endswith(var.control_plane_range, "/28")
    error_message = "The control plane takes a /28."
  }
}

variable "authorized_ranges" {
  description = "Private ranges that may reach the control plane's private address, by name; none: by its DNS name and IAM alone."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for range in values(var.authorized_ranges) : can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.)", range))])
    error_message = "Only private ranges: the control plane is not for the internet."
  }
}

variable "security_group" {
  description = "Google group gke-security-groups@DOMAIN, whose groups may stand in Kubernetes roles; null: none."
  type        = string
  default     = null
}

variable "nodes_email" {
  description = "Account of the machines."
  type        = string
}

variable "kms_key" {
  description = "Key that encrypts Kubernetes secrets and the nodes' disks."
  type        = string
}

variable "system" {
  description = "Machines of what is no GPU work."
  type        = object({ machine_type = string, min = number, max = number })
  default     = { machine_type = "e2-standard-4", min = 1, max = 3 }
}

variable "gpu_pools" {
  description = "Pools by name: gpu t4, l4 or a100, how many nodes, spot or not. A node has one GPU, and one GPU process."
  type = map(object({
    gpu            = string
    min            = optional(number, 0)
    max            = number
    spot           = optional(bool, false)
    zones          = optional(list(string))
    machine_type   = optional(string)
    disk_gigabytes = optional(number, 100)
  }))

  validation {
    condition     = alltrue([for pool in values(var.gpu_pools) : contains(["t4", "l4", "a100"], pool.gpu)])
    error_message = "There are t4, l4 and a100."
  }
  validation {
    condition     = sum(concat([0], [for pool in values(var.gpu_pools) : pool.max])) <= var.most_partitions
    error_message = "More GPU nodes than partitions: some would have nothing to do."
  }
}

variable "most_partitions" {
  description = "Partitions of scribe.jobs: no more GPU processes than these get work."
  type        = number
  default     = 12
}
