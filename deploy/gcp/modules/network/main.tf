# One network without public addresses: what runs in it reaches Google's APIs privately, and the internet through NAT.

resource "google_compute_network" "this" {
  name                            = var.name
  auto_create_subnetworks         = false
  routing_mode                    = "REGIONAL"
  delete_default_routes_on_create = false
}

resource "google_compute_subnetwork" "this" {
  name                     = var.name
  network                  = google_compute_network.this.id
  region                   = var.region
  ip_cidr_range            = var.ranges.nodes
  private_ip_google_access = true

  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = var.ranges.pods
  }
  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = var.ranges.services
  }

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

# recordings, webhooks and the enhanced-AI service lie on the internet; one address for the allow lists of others
resource "google_compute_address" "egress" {
  name   = "${var.name}-egress"
  region = var.region
}

resource "google_compute_router" "this" {
  name    = var.name
  network = google_compute_network.this.id
  region  = var.region
}

resource "google_compute_router_nat" "this" {
  name                               = var.name
  router                             = google_compute_router.this.name
  region                             = var.region
  nat_ip_allocate_option             = "MANUAL_ONLY"
  nat_ips                            = [google_compute_address.egress.self_link]
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"
  # a fetch or a webhook holds a port; the default of 64 a machine is soon used up by a dispatcher
  enable_dynamic_port_allocation = true
  min_ports_per_vm               = 256
  max_ports_per_vm               = 4096

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

# the implied rule does the same; this one writes down what it refused
resource "google_compute_firewall" "deny_ingress" {
  name          = "${var.name}-deny-ingress"
  network       = google_compute_network.this.name
  direction     = "INGRESS"
  priority      = 65534
  source_ranges = ["0.0.0.0/0"]

  deny {
    protocol = "all"
  }
  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

# whoever may name a webhook's address must not send mail from ours
resource "google_compute_firewall" "deny_smtp" {
  name               = "${var.name}-deny-smtp"
  network            = google_compute_network.this.name
  direction          = "EGRESS"
  priority           = 1000
  destination_ranges = ["0.0.0.0/0"]

  deny {
    protocol = "tcp"
    ports    = ["25", "465", "587"]
  }
  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

# Cloud SQL stands in a network of Google's that is joined to ours
resource "google_compute_global_address" "services" {
  name          = "${var.name}-services"
  network       = google_compute_network.this.id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20
}

resource "google_service_networking_connection" "services" {
  network                 = google_compute_network.this.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.services.name]
}
