variable "name" {
  description = "First part of the names of the repositories."
  type        = string
}

variable "images" {
  description = "Images that have a repository each."
  type        = set(string)
  default     = ["api", "streams", "gpu", "collector"]
}

variable "production" {
  description = "Whether the stricter rules for production apply."
  type        = bool
}

variable "kms_key_arn" {
  description = "Key that encrypts the images."
  type        = string
}

variable "keep" {
  description = "Images that each repository keeps."
  type        = number
  default     = 20

  validation {
    condition     = var.keep >= 3
    error_message = "keep must be 3 at least: this release, the next one, and the one to go back to."
  }
}

variable "deletion_protection" {
  description = "Whether a repository with images in it cannot be deleted."
  type        = bool
}
