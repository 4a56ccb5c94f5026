variable "project" {
  description = "Project."
  type        = string
}

variable "name" {
  description = "What the alerts' names begin with."
  type        = string
}

variable "domain" {
  description = "Host name of the shim."
  type        = string
}

variable "api_service" {
  description = "Cloud Run service of the shim."
  type        = string
}

variable "database_instance" {
  description = "Cloud SQL instance."
  type        = string
}

variable "max_connections" {
  description = "Connections that the database takes."
  type        = number
}

variable "kafka_cluster" {
  description = "Managed Kafka cluster."
  type        = string
}

variable "most_lag" {
  description = "Records that one partition of a group may be behind for half an hour; a transcriber's records are jobs."
  type        = number
  default     = 1000
}

variable "errors_per_second" {
  description = "Answers 5xx a second that are too many."
  type        = number
  default     = 0.1
}

variable "scraped" {
  description = "Whether Google's Prometheus reads our processes: those on GKE, by the overlay's PodMonitoring or ServiceMonitor."
  type        = bool
}

variable "emails" {
  description = "Who is told, by a name for each."
  type        = map(string)

  validation {
    condition     = length(var.emails) >= 1
    error_message = "Alerts that nobody gets are none: name at least one address."
  }
}
