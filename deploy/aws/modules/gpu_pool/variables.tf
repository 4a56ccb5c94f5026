variable "name" {
  description = "Name of the pool and of its capacity provider."
  type        = string

  validation {
    condition     = !can(regex("^(aws|ecs|fargate)", var.name))
    error_message = "name must not begin with aws, ecs or fargate: ECS keeps these names for itself."
  }
}

variable "partition" {
  description = "Partition of AWS, such as aws."
  type        = string
  default     = "aws"
}

variable "cluster_name" {
  description = "ECS cluster that the instances join."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the instances."
  type        = string
}

variable "vpc_cidr" {
  description = "Addresses of the VPC, where its endpoints are."
  type        = string
}

variable "s3_prefix_list_id" {
  description = "Addresses of S3."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of the instances."
  type        = list(string)
}

variable "instance_types" {
  description = "Types that do, of one kind of GPU; more types find spot instances more often."
  type        = list(string)

  validation {
    condition     = length(var.instance_types) > 0 && alltrue([for type in var.instance_types : can(regex("^(g4dn|g5|g6|g6e|p3|p4d|p5)\\.", type))])
    error_message = "instance_types must have an NVIDIA GPU, such as g4dn.xlarge (T4) or g5.xlarge (A10G)."
  }

  validation {
    condition     = length(distinct([for type in var.instance_types : split(".", type)[0]])) == 1
    error_message = "instance_types must be of one family: a pool has one kind of GPU, and its speed is what it is scaled by."
  }
}

variable "on_demand_base" {
  description = "The first so many instances are on-demand ones, which nobody takes away."
  type        = number

  validation {
    condition     = var.on_demand_base >= 0
    error_message = "on_demand_base must be 0 or more."
  }
}

variable "on_demand_percentage" {
  description = "Of those above the base, how many of a hundred are on-demand ones; 0: all are spot."
  type        = number
  default     = 0

  validation {
    condition     = var.on_demand_percentage >= 0 && var.on_demand_percentage <= 100
    error_message = "on_demand_percentage must be between 0 and 100."
  }
}

variable "max_instances" {
  description = "Most instances."
  type        = number

  validation {
    condition     = var.max_instances >= 1
    error_message = "max_instances must be 1 at least."
  }
}

variable "image_parameter" {
  description = "SSM parameter with the machine image: ECS-optimized, with NVIDIA's driver."
  type        = string
  default     = "/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id"
}

variable "disk_gb" {
  description = "Disk of an instance: images, models and the cache of recordings."
  type        = number
  default     = 100

  validation {
    condition     = var.disk_gb >= 60
    error_message = "disk_gb must be 60 at least: the image with CUDA, the models and decoded recordings lie there."
  }
}

variable "stop_timeout" {
  description = "Seconds between SIGTERM and SIGKILL; AWS takes a spot instance two minutes after its notice."
  type        = number
  default     = 110

  validation {
    condition     = var.stop_timeout >= 30 && var.stop_timeout <= 120
    error_message = "stop_timeout must be between 30 and 120 seconds."
  }
}

variable "models_folder" {
  description = "Folder of models on the instance."
  type        = string
  default     = "/var/lib/scribe/models"
}

variable "kms_key_arn" {
  description = "Key that encrypts the disks."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key: disks with recordings are never unencrypted."
  }
}
