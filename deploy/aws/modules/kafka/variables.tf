variable "name" {
  description = "Name of the cluster, and prefix of what belongs to it."
  type        = string
}

variable "production" {
  description = "Whether the stricter rules for production apply."
  type        = bool
}

variable "vpc_id" {
  description = "VPC of the brokers."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the brokers, one a zone."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids must name subnets in two zones at least."
  }
}

variable "client_security_group_ids" {
  description = "Security groups of the processes that use Kafka, by name."
  type        = map(string)
}

variable "client_cidrs" {
  description = "Networks of upstream systems that write to Kafka and read from it; none: only our processes do."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.client_cidrs : can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.|100\\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\\.).*/(8|9|[12][0-9]|3[0-2])$", cidr))])
    error_message = "client_cidrs takes private networks only: the brokers are never open to the internet."
  }
}

variable "kafka_version" {
  description = "Version of Kafka: 4.0 or newer, KRaft."
  type        = string
  default     = "4.0.x.kraft"

  validation {
    condition     = can(regex("^[4-9]\\.[0-9]+\\.x\\.kraft$", var.kafka_version))
    error_message = "kafka_version must be 4.0 or newer with KRaft, such as 4.0.x.kraft: the GPU groups need the new group protocol."
  }
}

variable "brokers_per_zone" {
  description = "Brokers in each zone."
  type        = number
  default     = 1

  validation {
    condition     = var.brokers_per_zone >= 1
    error_message = "brokers_per_zone must be 1 at least."
  }
}

variable "instance_type" {
  description = "Size of a broker."
  type        = string

  validation {
    condition     = startswith(var.instance_type, "kafka.")
    error_message = "instance_type must be a size of MSK, such as kafka.m7g.large."
  }
}

variable "storage_gb" {
  description = "Storage of a broker to begin with."
  type        = number
}

variable "max_storage_gb" {
  description = "Storage of a broker up to which it grows by itself."
  type        = number
}

variable "scram_users" {
  description = "Users with a password, and whether the secret of each has been filled, so that MSK may take it."
  type        = map(bool)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.scram_users) : can(regex("^[a-z][a-z0-9-]{0,62}$", name))])
    error_message = "scram_users must have names of small letters, digits and dashes."
  }
}

variable "log_days" {
  description = "Days that the logs of brokers are kept."
  type        = number
}

variable "kms_key_arn" {
  description = "Key of one's own that encrypts storage, logs and the users' secrets."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key: brokers are never stored unencrypted, and MSK takes no SCRAM secret without one."
  }
}
