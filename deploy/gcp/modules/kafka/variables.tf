variable "project" {
  description = "Project."
  type        = string
}

variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "region" {
  description = "Region of the brokers."
  type        = string
}

variable "subnetwork_id" {
  description = "Subnet in which the bootstrap address lies."
  type        = string
}

variable "kms_key" {
  description = "Key that encrypts the records at rest."
  type        = string
}

variable "vcpus" {
  description = "Processors of the whole cluster; the service's smallest is 3."
  type        = number
  default     = 3

  validation {
    condition     = var.vcpus >= 3
    error_message = "A cluster has at least 3 processors, one a zone."
  }
}

variable "gibibytes_per_vcpu" {
  description = "Memory for each of them."
  type        = number
  default     = 4

  validation {
    condition     = var.gibibytes_per_vcpu >= 1 && var.gibibytes_per_vcpu <= 8
    error_message = "Managed Kafka takes 1 to 8 GiB a processor."
  }
}

variable "partitions" {
  description = "Topics that get more partitions than the code's table has: the unit of GPU parallelism. They never become fewer."
  type        = map(number)
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.partitions), keys(local.topics))) == 0
    error_message = "There are no topics ${join(", ", setsubtract(keys(var.partitions), keys(local.topics)))}."
  }
}

variable "principals" {
  description = "Accounts of each process, of `operator`, and of `upstream` and `downstream` services, by e-mail address."
  type        = map(list(string))

  validation {
    condition     = alltrue([for accounts in values(var.principals) : alltrue([for account in accounts : can(regex("^[^@*: ]+@[^@*: ]+$", account))])])
    error_message = "Principals are e-mail addresses; everybody (*) is none."
  }
}

variable "certificate_authorities" {
  description = "Pools of Certificate Authority Service whose certificates clients may show, as projects/…/locations/…/caPools/…; none: tokens alone."
  type        = list(string)
  default     = []
}

variable "principal_rules" {
  description = "How a certificate's name becomes the principal of an ACL, in Kafka's own words; by default the common name, which is then an account's e-mail address."
  type        = string
  default     = "RULE:^CN=([^,]+).*$/$1/,DEFAULT"
}
