# GPU pools, each of one kind of machine, from zero nodes up. Spot ones cost less and go with 15 seconds' notice.

locals {
  # Google's names: the accelerator's goes into the label cloud.google.com/gke-accelerator, by which pods choose
  gpus = {
    t4   = { accelerator = "nvidia-tesla-t4", machine_type = "n1-standard-8" }
    l4   = { accelerator = "nvidia-l4", machine_type = "g2-standard-8" }
    a100 = { accelerator = "nvidia-tesla-a100", machine_type = "a2-highgpu-1g" }
  }
}

resource "google_container_node_pool" "gpu" {
  for_each = var.gpu_pools

  name           = each.key
  cluster        = google_container_cluster.this.id
  location       = var.region
  node_locations = each.value.zones

  autoscaling {
    total_min_node_count = each.value.min
    total_max_node_count = each.value.max
    # where spot machines are to be had just now, rather than evenly
    location_policy = each.value.spot ? "ANY" : "BALANCED"
  }
  management {
    auto_repair  = true
    auto_upgrade = true
  }
  # one node at a time, and a new one first: GPU quota must have room for it
  upgrade_settings {
    strategy        = "SURGE"
    max_surge       = 1
    max_unavailable = 0
  }

  node_config {
    machine_type      = coalesce(each.value.machine_type, local.gpus[each.value.gpu].machine_type)
    spot              = each.value.spot
    image_type        = "COS_CONTAINERD"
    disk_type         = "pd-balanced"
    disk_size_gb      = each.value.disk_gigabytes
    boot_disk_kms_key = var.kms_key
    service_account   = var.nodes_email
    oauth_scopes      = ["https://www.googleapis.com/auth/cloud-platform"]
    metadata          = { disable-legacy-endpoints = "true" }
    labels            = { "scribe.pool" = "gpu", "scribe.gpu" = each.value.gpu }

    guest_accelerator {
      type  = local.gpus[each.value.gpu].accelerator
      count = 1

      # COS brings the driver; the overlay needs no installer with rights of its own
      gpu_driver_installation_config {
        gpu_driver_version = "LATEST"
      }
    }

    # images are several gigabytes: a node begins to work before all of one is there
    gcfs_config {
      enabled = true
    }
    gvnic {
      enabled = true
    }

    workload_metadata_config {
      mode = "GKE_METADATA"
    }
    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }

    # GKE itself taints GPU nodes with nvidia.com/gpu; spot ones get this one from us
    dynamic "taint" {
      for_each = each.value.spot ? ["spot"] : []
      content {
        key    = "cloud.google.com/gke-spot"
        value  = "true"
        effect = "NO_SCHEDULE"
      }
    }
  }
}
