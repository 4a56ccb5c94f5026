# One service account a process, with the roles that the process needs and no others; nobody has keys of them.

locals {
  # those that talk to a broker; shim, dispatcher, retention and migrations do not
  kafka_clients = setintersection(var.processes, ["relay", "persist", "enhance", "webhooks", "gpu", "topics", "operator"])

  roles = merge(
    { for process in var.processes : "${process}-logs" => { process = process, role = "roles/logging.logWriter" } },
    { for process in var.processes : "${process}-metrics" => { process = process, role = "roles/monitoring.metricWriter" } },
    { for process in var.processes : "${process}-traces" => { process = process, role = "roles/cloudtrace.agent" } },
    { for process in local.kafka_clients : "${process}-kafka" => { process = process, role = "roles/managedkafka.client" } },
  )

  node_roles = toset([
    "roles/logging.logWriter",
    "roles/monitoring.metricWriter",
    "roles/monitoring.viewer",
    "roles/stackdriver.resourceMetadata.writer",
  ])
}

resource "google_service_account" "process" {
  for_each = var.processes

  account_id   = "${var.name}-${each.key}"
  display_name = "Scribe Rabbit ${each.key}"
}

resource "google_project_iam_member" "process" {
  for_each = local.roles

  project = var.project
  role    = each.value.role
  member  = google_service_account.process[each.value.process].member
}

# the account whose HMAC key the S3 client signs with; it may reach the bucket, and nothing else
resource "google_service_account" "objects" {
  account_id   = "${var.name}-objects"
  display_name = "Scribe Rabbit object store"
}

# GKE's machines: they pull images and write logs, and have no part in the data
resource "google_service_account" "nodes" {
  account_id   = "${var.name}-nodes"
  display_name = "Scribe Rabbit nodes"
}

resource "google_project_iam_member" "nodes" {
  for_each = local.node_roles

  project = var.project
  role    = each.key
  member  = google_service_account.nodes.member
}

# a pod of this Kubernetes service account is this Google service account, without any key
resource "google_service_account_iam_member" "pods" {
  for_each = var.kubernetes_accounts

  service_account_id = google_service_account.process[each.key].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[${each.value}]"
}

# people who redrive, cancel or set policies do it as the operator, and Cloud Audit Logs says who it was
resource "google_service_account_iam_member" "operators" {
  for_each = contains(var.processes, "operator") ? var.operators : []

  service_account_id = google_service_account.process["operator"].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = each.key
}
