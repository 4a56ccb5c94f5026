variable "name" {
  description = "Prefix of the names of all that is made."
  type        = string
}

variable "region" {
  description = "Region, for the names of endpoints."
  type        = string
}

variable "production" {
  description = "Whether the stricter rules for production apply."
  type        = bool
}

variable "cidr" {
  description = "Addresses of the VPC: a private network of /16 to /20."
  type        = string
  default     = "10.40.0.0/16"

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.).*/(1[6-9]|20)$", var.cidr))
    error_message = "cidr must be a private network (RFC 1918) between /16 and /20: it is cut into twelve subnets."
  }
}

variable "availability_zones" {
  description = "Zones to spread over, two to four."
  type        = list(string)

  validation {
    condition     = length(distinct(var.availability_zones)) == length(var.availability_zones) && length(var.availability_zones) >= 2 && length(var.availability_zones) <= 4
    error_message = "availability_zones must name two to four different zones."
  }
}

variable "nat_gateway_per_zone" {
  description = "A NAT gateway in each zone; false: one for all, which is cheaper and ends with its zone."
  type        = bool
}

variable "interface_endpoints" {
  description = "AWS services that are called within the VPC instead of through NAT."
  type        = set(string)
  default     = ["ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "kms", "logs", "secretsmanager", "sts"]
}

variable "log_days" {
  description = "Days that flow logs are kept."
  type        = number
}

variable "kms_key_arn" {
  description = "Key that encrypts the logs."
  type        = string
}
