variable "name" {
  description = "Prefix of the names of alarms."
  type        = string
}

variable "account_id" {
  description = "Account whose alarms may publish."
  type        = string
}

variable "emails" {
  description = "Addresses that alarms go to."
  type        = set(string)
}

variable "alarms" {
  description = "Alarms on one metric each: what it means and what to look at, and above (or below) what it fires for how many minutes in a row."
  type = map(object({
    description = string
    namespace   = string
    metric      = string
    dimensions  = optional(map(string), {})
    statistic   = optional(string, "Maximum")
    threshold   = number
    below       = optional(bool, false)
    minutes     = number
    missing     = optional(string, "missing")
  }))

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : alarm.minutes >= 1 && contains(["missing", "breaching", "notBreaching"], alarm.missing)])
    error_message = "alarms need one minute at least, and missing, breaching or notBreaching for missing figures."
  }
}

variable "log_groups" {
  description = "Log groups whose errors are counted, by process."
  type        = map(string)
}

variable "log_namespace" {
  description = "Namespace of those counts."
  type        = string
}

variable "errors_per_5_minutes" {
  description = "Errors of a process in five minutes above which the alarm fires."
  type        = number
  default     = 20
}

variable "kms_key_arn" {
  description = "Key that encrypts what is published."
  type        = string
}
