variable "project" {
  description = "Project."
  type        = string
}

variable "name" {
  description = "Name of the key ring. A ring cannot be deleted: take another name for another try."
  type        = string
}

variable "region" {
  description = "Region of the keys, which is that of the data."
  type        = string
}
