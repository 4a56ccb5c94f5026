variable "name" {
  description = "Name of the load balancer, and prefix of what belongs to it."
  type        = string
}

variable "production" {
  description = "Whether the stricter rules for production apply."
  type        = bool
}

variable "vpc_id" {
  description = "VPC of the load balancer."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the load balancer, in two zones at least."
  type        = list(string)
}

variable "internet_facing" {
  description = "Whether it has a public address; false: only networks that reach the VPC come in."
  type        = bool
}

variable "allowed_cidrs" {
  description = "Networks whose clients may call."
  type        = set(string)

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : can(cidrhost(cidr, 0))])
    error_message = "allowed_cidrs must name one network at least, in CIDR form."
  }
}

variable "certificate_arn" {
  description = "Certificate (ACM) of the public name."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:acm:", var.certificate_arn))
    error_message = "certificate_arn must be a certificate of ACM: clients are never served without TLS."
  }
}

variable "tls_policy" {
  description = "TLS versions and ciphers that clients may use."
  type        = string
  default     = "ELBSecurityPolicy-TLS13-1-2-2021-06"

  validation {
    condition     = startswith(var.tls_policy, "ELBSecurityPolicy-TLS13-1-2-") || startswith(var.tls_policy, "ELBSecurityPolicy-TLS13-1-3-")
    error_message = "tls_policy must allow TLS 1.2 and 1.3 only, such as ELBSecurityPolicy-TLS13-1-2-2021-06."
  }
}

variable "target_port" {
  description = "Port of the REST shim."
  type        = number
}

variable "target_security_group_id" {
  description = "Security group of the REST shim."
  type        = string
}

variable "log_bucket" {
  description = "Bucket of the access logs."
  type        = string
}

variable "deletion_protection" {
  description = "Whether it can only be deleted after this was switched off."
  type        = bool
}

variable "web_acl_arn" {
  description = "Rules of AWS WAF that requests pass first; null: none."
  type        = string
  default     = null
}
