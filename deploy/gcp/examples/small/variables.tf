variable "project" {
  description = "Id of the Google Cloud project."
  type        = string
}

variable "region" {
  description = "Region with Cloud Run, Managed Kafka and the wanted GPUs, such as europe-west4."
  type        = string
}

variable "zones" {
  description = "Zones of that region that have the wanted GPUs."
  type        = list(string)
}

variable "domain" {
  description = "Host name under which clients reach the shim."
  type        = string
}

variable "bucket" {
  description = "Name of the bucket, the only one of that name in the world."
  type        = string
}

variable "images" {
  description = "The images api, streams and gpu by digest; null until they are pushed and the secrets have values."
  type        = object({ api = string, streams = string, gpu = string })
  default     = null
}

variable "token_server_image" {
  description = "Image of Google's local token server for Kafka by digest, which you build from googleapis/managedkafka; null: certificates or keys."
  type        = string
  default     = null
}

variable "s3_access_key" {
  description = "Access id of the HMAC key that `gcloud storage hmac create` made; its secret goes into Secret Manager."
  type        = string
  default     = "not-made-yet"
}

variable "settings" {
  description = "More settings by their environment variable, such as SCRIBE_DEFAULT_MODEL."
  type        = map(string)
  default     = {}
}

variable "operators" {
  description = "People who may act as the operator, such as group:transcription-oncall@example.com."
  type        = set(string)
  default     = []
}

variable "kafka_settings" {
  description = "Plain settings of the way to the broker by variable: how a process shows who it is; see the page of this folder."
  type        = map(string)

  validation {
    condition     = !contains(["none"], lookup(var.kafka_settings, "SCRIBE_KAFKA_SECURITY", "none"))
    error_message = "Managed Kafka takes TLS alone: SCRIBE_KAFKA_SECURITY must be oauthbearer, tls or plain."
  }
}

variable "kafka_secrets" {
  description = "Secret ones: the name of the secret by variable."
  type        = map(string)
  default     = { SCRIBE_KAFKA_PASSWORD = "kafka-password" }
}

variable "kafka_principals" {
  description = "Accounts of your own services by what they do: `upstream` writes jobs, `downstream` reads results."
  type        = map(list(string))
  default     = {}
}

variable "object_retention_days" {
  description = "Days after which the bucket deletes objects, an upper bound; null: never."
  type        = number
  default     = null
}

variable "next_rotation" {
  description = "When the secrets are due for the first time, such as 2030-01-31T06:00:00Z."
  type        = string
}

variable "alert_emails" {
  description = "Who is told of alerts, by a name for each."
  type        = map(string)
}
