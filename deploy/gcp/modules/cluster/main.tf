# GKE: private nodes, workload identity, Dataplane V2 for the overlay's network policies, Google's Prometheus.

resource "google_container_cluster" "this" {
  # checkov:skip=CKV_GCP_12: Dataplane V2 enforces network policies without the add-on
  # checkov:skip=CKV_GCP_69: the default pool, which this means, is removed; the others have the metadata server
  name                = var.name
  location            = var.region
  node_locations      = var.zones
  network             = var.network_id
  subnetwork          = var.subnetwork_id
  networking_mode     = "VPC_NATIVE"
  datapath_provider   = "ADVANCED_DATAPATH"
  deletion_protection = true
  resource_labels     = { app = "scribe-rabbit" }

  remove_default_node_pool = true
  initial_node_count       = 1

  enable_shielded_nodes       = true
  enable_intranode_visibility = true
  enable_legacy_abac          = false

  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }

  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = true
    master_ipv4_cidr_block  = var.control_plane_range
  }

  # kubectl reaches the control plane by its name and IAM, from anywhere and without any open address
  control_plane_endpoints_config {
    dns_endpoint_config {
      allow_external_traffic = true
    }
  }
  master_authorized_networks_config {
    gcp_public_cidrs_access_enabled      = false
    private_endpoint_enforcement_enabled = true

    dynamic "cidr_blocks" {
      for_each = var.authorized_ranges
      content {
        cidr_block   = cidr_blocks.value
        display_name = cidr_blocks.key
      }
    }
  }
  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }
  anonymous_authentication_config {
    mode = "LIMITED"
  }
  rbac_binding_config {
    enable_insecure_binding_system_authenticated   = false
    enable_insecure_binding_system_unauthenticated = false
  }
  dynamic "authenticator_groups_config" {
    for_each = var.security_group == null ? [] : [var.security_group]
    content {
      security_group = authenticator_groups_config.value
    }
  }

  workload_identity_config {
    workload_pool = "${var.project}.svc.id.goog"
  }
  secret_manager_config {
    enabled = true
  }
  database_encryption {
    state    = "ENCRYPTED"
    key_name = var.kms_key
  }
  binary_authorization {
    evaluation_mode = "PROJECT_SINGLETON_POLICY_ENFORCE"
  }
  security_posture_config {
    mode               = "BASIC"
    vulnerability_mode = "VULNERABILITY_BASIC"
  }

  release_channel {
    channel = "REGULAR"
  }
  maintenance_policy {
    recurring_window {
      start_time = "2025-01-04T01:00:00Z"
      end_time   = "2025-01-04T07:00:00Z"
      recurrence = "FREQ=WEEKLY;BYDAY=SA,SU"
    }
  }

  addons_config {
    gce_persistent_disk_csi_driver_config {
      enabled = true
    }
    gcs_fuse_csi_driver_config {
      enabled = false
    }
    horizontal_pod_autoscaling {
      disabled = false
    }
    dns_cache_config {
      enabled = true
    }
  }

  # the machines of a pool leave only when they are idle: a busy GPU is not moved to save a node
  cluster_autoscaling {
    enabled             = false
    autoscaling_profile = "OPTIMIZE_UTILIZATION"
  }

  logging_config {
    enable_components = ["SYSTEM_COMPONENTS", "WORKLOADS", "APISERVER", "CONTROLLER_MANAGER", "SCHEDULER"]
  }
  monitoring_config {
    enable_components = ["SYSTEM_COMPONENTS", "APISERVER", "POD", "DEPLOYMENT", "HPA", "DCGM"]
    managed_prometheus {
      enabled = true
    }
    advanced_datapath_observability_config {
      enable_metrics = true
      enable_relay   = false
    }
  }
  cost_management_config {
    enabled = true
  }

  lifecycle {
    # the pools below have nodes; the default one is gone
    ignore_changes = [initial_node_count]
  }
}

# what is no GPU work: KEDA, External Secrets, and the processes where they do not run on Cloud Run
resource "google_container_node_pool" "system" {
  name     = "system"
  cluster  = google_container_cluster.this.id
  location = var.region

  autoscaling {
    total_min_node_count = var.system.min
    total_max_node_count = var.system.max
    location_policy      = "BALANCED"
  }
  management {
    auto_repair  = true
    auto_upgrade = true
  }
  upgrade_settings {
    strategy        = "SURGE"
    max_surge       = 1
    max_unavailable = 0
  }

  node_config {
    machine_type      = var.system.machine_type
    image_type        = "COS_CONTAINERD"
    disk_type         = "pd-balanced"
    disk_size_gb      = 50
    boot_disk_kms_key = var.kms_key
    service_account   = var.nodes_email
    oauth_scopes      = ["https://www.googleapis.com/auth/cloud-platform"]
    metadata          = { disable-legacy-endpoints = "true" }
    labels            = { "scribe.pool" = "system" }

    workload_metadata_config {
      mode = "GKE_METADATA"
    }
    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
  }
}
