variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "region" {
  description = "Region of the subnet."
  type        = string
}

variable "ranges" {
  description = "Private ranges of nodes and Cloud Run, of pods and of Kubernetes services; they must not overlap with networks that are joined to this one."
  type = object({
    nodes    = string
    pods     = string
    services = string
  })
  default = {
    nodes    = "10.20.0.0/20"
    pods     = "10.24.0.0/14"
    services = "10.21.0.0/20"
  }

  validation {
    condition     = alltrue([for range in values(var.ranges) : can(cidrhost(range, 1))])
    error_message = "Each range must be in CIDR form, such as 10.20.0.0/20."
  }
}
