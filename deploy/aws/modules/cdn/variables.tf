variable "name" {
  description = "Comment of the distribution."
  type        = string
}

variable "public_host" {
  description = "Public name of the shim."
  type        = string
}

variable "origin" {
  description = "Address of the load balancer."
  type        = string
}

variable "certificate_arn" {
  description = "Certificate (ACM, of us-east-1) of the public name."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:acm:us-east-1:", var.certificate_arn))
    error_message = "certificate_arn must be of us-east-1: CloudFront takes certificates from nowhere else."
  }
}

variable "web_acl_arn" {
  description = "Rules of AWS WAF (scope CLOUDFRONT); null: none."
  type        = string
  default     = null
}

variable "price_class" {
  description = "Parts of the world with edges."
  type        = string
  default     = "PriceClass_100"
}

variable "countries" {
  description = "Countries (ISO 3166) whose clients may call; none: all."
  type        = list(string)
  default     = []
}
