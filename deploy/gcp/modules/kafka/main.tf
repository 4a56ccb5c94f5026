# Managed Service for Apache Kafka: brokers in three zones, TLS alone, topics and access from the code's own tables.

locals {
  # generated from schemas/topics.py and the processes' access by `python -m deploy.gcp.data`
  topics = jsondecode(file("${path.module}/topics.json"))
  grants = jsondecode(file("${path.module}/grants.json"))

  replicas = 3
  entries = {
    for resource, grants in local.grants : resource => flatten([
      for grant in grants : [
        for principal in lookup(var.principals, grant.process, []) : { principal = principal, operation = grant.operation }
      ]
    ])
  }
}

resource "google_managed_kafka_cluster" "this" {
  cluster_id = var.name
  location   = var.region

  capacity_config {
    vcpu_count   = var.vcpus
    memory_bytes = var.vcpus * var.gibibytes_per_vcpu * 1073741824
  }

  gcp_config {
    kms_key = var.kms_key
    access_config {
      network_configs {
        subnet = var.subnetwork_id
      }
    }
  }

  # clients that show a certificate, beside those with a token
  dynamic "tls_config" {
    for_each = length(var.certificate_authorities) > 0 ? [var.certificate_authorities] : []
    content {
      ssl_principal_mapping_rules = var.principal_rules
      trust_config {
        dynamic "cas_configs" {
          for_each = tls_config.value
          content {
            ca_pool = cas_configs.value
          }
        }
      }
    }
  }

  rebalance_config {
    mode = "AUTO_REBALANCE_ON_SCALE_UP"
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_managed_kafka_topic" "this" {
  for_each = local.topics

  cluster            = google_managed_kafka_cluster.this.cluster_id
  location           = var.region
  topic_id           = each.key
  partition_count    = max(each.value.partitions, lookup(var.partitions, each.key, 0))
  replication_factor = local.replicas
  # with three replicas and two that must have a record, a zone may be lost and nothing is
  configs = merge(each.value.config, { "min.insync.replicas" = "2" })

  lifecycle {
    prevent_destroy = true
  }
}

# once a resource has an entry, everybody without one is refused
resource "google_managed_kafka_acl" "this" {
  for_each = { for resource, entries in local.entries : resource => entries if length(entries) > 0 }

  cluster  = google_managed_kafka_cluster.this.cluster_id
  location = var.region
  acl_id   = each.key

  dynamic "acl_entries" {
    for_each = each.value
    content {
      principal       = "User:${acl_entries.value.principal}"
      operation       = acl_entries.value.operation
      permission_type = "ALLOW"
      host            = "*"
    }
  }
}
