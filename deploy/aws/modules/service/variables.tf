variable "name" {
  description = "Name of the service."
  type        = string
}

variable "process" {
  description = "Process that it runs, which names its container."
  type        = string
}

variable "partition" {
  description = "Partition of AWS, such as aws."
  type        = string
  default     = "aws"
}

variable "region" {
  description = "Region, for the logs."
  type        = string
}

variable "account_id" {
  description = "Account whose ECS may take the roles."
  type        = string
}

variable "production" {
  description = "Whether the stricter rules for production apply."
  type        = bool
}

variable "cluster_arn" {
  description = "ECS cluster."
  type        = string
}

variable "cluster_name" {
  description = "Name of the cluster, and prefix of names."
  type        = string
}

variable "capacity_providers" {
  description = "Where tasks run: the first `base` of them at the one that has a base, the rest by weight."
  type        = list(object({ name = string, base = optional(number, 0), weight = optional(number, 1) }))

  validation {
    condition     = length(var.capacity_providers) > 0 && length([for provider in var.capacity_providers : provider if provider.base > 0]) <= 1
    error_message = "capacity_providers must name one at least, and one of them at most has a base."
  }
}

variable "image" {
  description = "Image with its digest or a tag that is never moved."
  type        = string

  validation {
    condition     = can(regex("(@sha256:[0-9a-f]{64}|:[A-Za-z0-9_][A-Za-z0-9._-]*)$", var.image)) && !endswith(var.image, ":latest")
    error_message = "image must end with a digest or a tag, and latest is none: nobody knows which version runs then."
  }
}

variable "repository_arns" {
  description = "ECR repositories of the images."
  type        = list(string)
}

variable "command" {
  description = "Command of the container."
  type        = list(string)
}

variable "environment" {
  description = "Settings that are no secrets."
  type        = map(string)
}

variable "secrets" {
  description = "Settings that are secrets, as what ECS is to read them from."
  type        = map(string)

  validation {
    condition     = alltrue([for arn in values(var.secrets) : can(regex("^arn:aws[a-z-]*:secretsmanager:", arn))])
    error_message = "secrets takes ARNs of Secrets Manager, never a value: that would stand in the task definition."
  }
}

variable "rds_certificates_arn" {
  description = "Secret with the certificates (PEM) by which RDS is recognised; null: the process uses no database."
  type        = string
  default     = null
}

variable "statements" {
  description = "What the process may do in AWS: statements of an IAM policy."
  type = list(object({
    Sid       = string
    Effect    = string
    Action    = list(string)
    Resource  = list(string)
    Condition = optional(map(map(string)))
  }))
  default = []

  validation {
    condition     = alltrue([for each in var.statements : alltrue([for action in each.Action : !strcontains(action, "*")])])
    error_message = "statements must name each action: none may have an asterisk."
  }

  validation {
    condition     = alltrue([for each in var.statements : alltrue([for resource in each.Resource : startswith(resource, "arn:")])])
    error_message = "statements must name their resources by ARN: none may be an asterisk."
  }
}

variable "gpus" {
  description = "GPUs of a task; 0: it runs on Fargate."
  type        = number
  default     = 0
}

variable "cpu" {
  description = "CPU units of a task: 1024 are one processor."
  type        = number
}

variable "memory" {
  description = "Memory of a task in MiB."
  type        = number
}

variable "stop_timeout" {
  description = "Seconds between SIGTERM and SIGKILL: more than the process needs to end in good order."
  type        = number

  validation {
    condition     = var.stop_timeout >= 30
    error_message = "stop_timeout must be 30 at least: no process of ours ends in good order within less."
  }
}

variable "tasks" {
  description = "Least and most tasks; null: only a task definition, for `aws ecs run-task`."
  type        = object({ min = number, max = number })

  validation {
    condition     = var.tasks == null || try(var.tasks.min <= var.tasks.max && var.tasks.max >= 1, false)
    error_message = "tasks needs min at most max, and max 1 at least."
  }
}

variable "single" {
  description = "Whether one task is enough in production: others would only wait for it to end."
  type        = bool
  default     = false
}

variable "port" {
  description = "Port that the load balancer calls; null: nobody calls it."
  type        = number
  default     = null
}

variable "target_group_arn" {
  description = "Target group of the load balancer; null: none."
  type        = string
  default     = null
}

variable "subnet_ids" {
  description = "Private subnets of the tasks."
  type        = list(string)
}

variable "security_group_id" {
  description = "Security group of the tasks."
  type        = string
}

variable "models_folder" {
  description = "Folder of models on the instance; null: none."
  type        = string
  default     = null
}

variable "collector_image" {
  description = "Image of the collector that publishes metrics; null: none."
  type        = string
  default     = null
}

variable "collector_config" {
  description = "Configuration of the collector."
  type        = string
  default     = ""
}

variable "log_days" {
  description = "Days that logs are kept."
  type        = number
}

variable "kms_key_arn" {
  description = "Key that encrypts logs and secrets."
  type        = string
}
