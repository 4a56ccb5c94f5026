variable "cluster_name" {
  description = "ECS cluster of the service."
  type        = string
}

variable "service_name" {
  description = "The GPU service."
  type        = string
}

variable "metric_namespace" {
  description = "Namespace of the published metric."
  type        = string
}

variable "metric_name" {
  description = "Gauge of pending audio seconds, with the label state (waiting, running)."
  type        = string
}

variable "audio_seconds_per_task" {
  description = "Seconds of pending audio that one task is to have: about how long a job may wait, times the task's speed."
  type        = number

  validation {
    condition     = var.audio_seconds_per_task >= 60
    error_message = "audio_seconds_per_task must be 60 at least, or a task is started for every short recording."
  }
}

variable "share" {
  description = "Part of all pending audio that this service does, where several share it."
  type        = number
  default     = 1

  validation {
    condition     = var.share > 0 && var.share <= 1
    error_message = "share must be above 0 and at most 1."
  }
}

variable "min_tasks" {
  description = "Least tasks; 0: none while nothing waits."
  type        = number

  validation {
    condition     = var.min_tasks >= 0
    error_message = "min_tasks must be 0 or more."
  }
}

variable "max_tasks" {
  description = "Most tasks."
  type        = number

  validation {
    condition     = var.max_tasks >= 1
    error_message = "max_tasks must be 1 at least."
  }
}

variable "scale_out_cooldown" {
  description = "Seconds after tasks were added before more are: an instance and its models take minutes to start."
  type        = number
  default     = 300

  validation {
    condition     = var.scale_out_cooldown >= 60
    error_message = "scale_out_cooldown must be 60 seconds at least: the metric comes once a minute."
  }
}

variable "scale_in_cooldown" {
  description = "Seconds after tasks were taken away before more are."
  type        = number
  default     = 900

  validation {
    condition     = var.scale_in_cooldown >= 600
    error_message = "scale_in_cooldown must be 600 seconds at least, so that tasks do not come and go within ten minutes."
  }
}
