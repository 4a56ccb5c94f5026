variable "name" {
  description = "Name of the repository."
  type        = string
}

variable "region" {
  description = "Region of the images."
  type        = string
}

variable "kms_key" {
  description = "Key that encrypts the images."
  type        = string
}

variable "kept_versions" {
  description = "Versions of each image that are kept however old they are: enough to go back."
  type        = number
  default     = 20
}

variable "readers" {
  description = "Who pulls images, by a name of its own: GKE's nodes. Cloud Run pulls as its own agent."
  type        = map(string)
  default     = {}
}
