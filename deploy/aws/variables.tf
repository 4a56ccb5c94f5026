variable "name" {
  description = "Prefix of the names of all that is made."
  type        = string
  default     = "scribe"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name)) && !can(regex("^(aws|ecs|fargate)", var.name))
    error_message = "name must have 2 to 21 small letters, digits and dashes, and not begin with aws, ecs or fargate."
  }
}

variable "production" {
  description = "Whether the stricter rules for production apply: what would lose data or stop at the loss of one zone is refused then."
  type        = bool
}

variable "availability_zones" {
  description = "Zones to spread over."
  type        = list(string)
}

variable "cidr" {
  description = "Addresses of the VPC."
  type        = string
  default     = "10.40.0.0/16"
}

variable "public_host" {
  description = "Public name of the REST shim."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)+$", var.public_host))
    error_message = "public_host must be a name such as scribe.example.org, without https:// and path."
  }
}

variable "certificate_arn" {
  description = "Certificate (ACM, of this region) of the public name."
  type        = string
}

variable "internet_facing" {
  description = "Whether the load balancer has a public address."
  type        = bool
  default     = true
}

variable "allowed_cidrs" {
  description = "Networks whose clients may call the REST shim."
  type        = set(string)
  default     = ["0.0.0.0/0"]
}

variable "web_acl_arn" {
  description = "Rules of AWS WAF that requests pass first; null: none."
  type        = string
  default     = null
}

variable "cdn" {
  description = "CloudFront before the load balancer: its certificate (ACM, of us-east-1); null: none."
  type        = object({ certificate_arn = string, web_acl_arn = optional(string) })
  default     = null
}

variable "bucket" {
  description = "Name of the bucket, unique in the world."
  type        = string
}

variable "bucket_versioning" {
  description = "Whether deleted and replaced objects can be had back for a day."
  type        = bool
  default     = false
}

variable "object_retention_days" {
  description = "Upper bound of the age of objects, behind the service's own retention; null: none."
  type        = number
  default     = null
}

variable "source_bucket_arns" {
  description = "Buckets of tenants whose recordings jobs may name by s3:// addresses."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.source_bucket_arns : can(regex("^arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]{2,62}$", arn))])
    error_message = "source_bucket_arns takes ARNs of buckets, such as arn:aws:s3:::recordings-of-acme, without an asterisk."
  }
}

variable "image_tag" {
  description = "Tag of the three images in this account's ECR."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag must be a tag that is never moved, such as a version, and not latest."
  }
}

variable "collector_digest" {
  description = "Digest of the AWS Distro for OpenTelemetry collector in this account's ECR (repository collector): it publishes the metrics that scaling and alarms need."
  type        = string

  validation {
    condition     = can(regex("^sha256:[0-9a-f]{64}$", var.collector_digest))
    error_message = "collector_digest must be sha256: and 64 digits, as ECR shows it after you pushed the image."
  }
}

variable "database_password" {
  description = "Password for the first minutes of the database: TF_VAR_database_password at each apply; after the first nobody looks at it."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "database" {
  description = "Sizes and safety of PostgreSQL."
  type = object({
    instance_class       = string
    storage_gb           = number
    max_storage_gb       = number
    multi_az             = bool
    replica              = optional(bool, false)
    backup_days          = number
    password_days        = optional(number, 30)
    final_snapshot       = bool
    performance_insights = optional(bool, true)
  })
}

variable "kafka" {
  description = "Sizes of MSK, and who beside the service may use it: users with a password (true: its secret is filled), from private networks."
  type = object({
    version          = optional(string, "4.0.x.kraft")
    instance_type    = string
    brokers_per_zone = optional(number, 1)
    storage_gb       = number
    max_storage_gb   = number
    scram_users      = optional(map(bool), {})
    client_cidrs     = optional(set(string), [])
  })
}

variable "nat_gateway_per_zone" {
  description = "A NAT gateway in each zone."
  type        = bool
}

variable "egress_cidrs" {
  description = "Networks that recordings are fetched from and webhooks are sent to; with an egress proxy only its address."
  type        = set(string)
  default     = ["0.0.0.0/0"]
}

variable "deletion_protection" {
  description = "Whether what holds data can only be deleted after this was switched off."
  type        = bool
}

variable "processes" {
  description = "Sizes of processes that differ from the defaults: least and most tasks, CPU units, memory in MiB."
  type = map(object({
    min    = optional(number)
    max    = optional(number)
    cpu    = optional(number)
    memory = optional(number)
  }))
  default = {}

  validation {
    condition     = length(setsubtract(keys(var.processes), ["api", "relay", "persist", "enhance", "webhooks", "dispatch", "retention", "operator"])) == 0
    error_message = "processes knows api, relay, persist, enhance, webhooks, dispatch, retention and operator; GPU processes are in gpu_pools."
  }
}

variable "gpu_pools" {
  description = "Pools of GPU instances, each with the service that runs on it."
  type = map(object({
    instance_types         = list(string)
    on_demand_base         = number
    on_demand_percentage   = optional(number, 0)
    max_instances          = number
    min_tasks              = number
    max_tasks              = number
    audio_seconds_per_task = number
    share                  = optional(number, 1)
    stages                 = optional(string, "transcribe,diarize")
    transcribe_workers     = optional(number, 2)
    diarize_workers        = optional(number, 1)
    cpu                    = optional(number, 3584)
    memory                 = optional(number, 14000)
    disk_gb                = optional(number, 100)
  }))

  validation {
    condition     = length(var.gpu_pools) > 0
    error_message = "gpu_pools must have one pool at least: nothing else transcribes."
  }

  validation {
    condition     = alltrue([for pool in values(var.gpu_pools) : pool.max_tasks <= pool.max_instances])
    error_message = "gpu_pools: max_tasks must not be more than max_instances: a task has a GPU of its own."
  }
}

variable "gpu_partitions" {
  description = "Partitions of the job topics: more GPU tasks than these find no work."
  type        = number
  default     = 12
}

variable "partitions" {
  description = "Partitions of the other topics: more tasks of a Faust app than these find no work."
  type        = number
  default     = 6
}

variable "log_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 90

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827], var.log_days)
    error_message = "log_days must be a number of days that CloudWatch knows, such as 30, 90 or 365."
  }
}

variable "alarm_emails" {
  description = "Addresses that alarms go to; each must be confirmed once."
  type        = set(string)
  default     = []
}

variable "settings" {
  description = "Settings of the service by their variables (schemas/README.md), where they are not as here; never secrets."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(setintersection(keys(var.settings), local.known.secrets)) == 0
    error_message = "settings must hold no secrets: put them into Secrets Manager and name them in secret_settings."
  }

  validation {
    condition     = length(setsubtract(keys(var.settings), local.every_setting)) == 0
    error_message = "settings has a variable that no process reads: see the table in schemas/README.md."
  }
}

variable "secret_settings" {
  description = "Settings that are secrets, as ARNs of Secrets Manager, beside those that are made here."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.secret_settings), local.every_setting)) == 0
    error_message = "secret_settings has a variable that no process reads: see the table in schemas/README.md."
  }
}

variable "enhanced_ai" {
  description = "The enhanced-AI service: its address and kind (json or openai); null: none. Its key goes into the secret enhanced-ai-api-key."
  type        = object({ endpoint = string, kind = optional(string, "json"), models = optional(string) })
  default     = null

  validation {
    condition     = var.enhanced_ai == null || startswith(try(var.enhanced_ai.endpoint, ""), "https://")
    error_message = "enhanced_ai.endpoint must be an https address: transcripts go there."
  }
}
