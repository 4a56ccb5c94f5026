# The global HTTPS balancer: TLS 1.2 and newer, a limit a client, no plain HTTP but its redirection.

resource "google_compute_global_address" "this" {
  name = var.name
}

resource "google_compute_managed_ssl_certificate" "this" {
  name = var.name

  managed {
    domains = [var.domain]
  }
}

resource "google_compute_ssl_policy" "this" {
  name            = var.name
  profile         = "RESTRICTED"
  min_tls_version = "TLS_1_2"
}

resource "google_compute_region_network_endpoint_group" "this" {
  name                  = var.name
  region                = var.region
  network_endpoint_type = "SERVERLESS"

  cloud_run {
    service = google_cloud_run_v2_service.this.name
  }
}

resource "google_compute_backend_service" "this" {
  name                  = var.name
  protocol              = "HTTPS"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  security_policy       = google_compute_security_policy.this.id

  backend {
    group = google_compute_region_network_endpoint_group.this.id
  }
  log_config {
    enable      = true
    sample_rate = var.log_sample_rate
  }
}

resource "google_compute_security_policy" "this" {
  name = var.name
  type = "CLOUD_ARMOR"

  # metrics and documentation are for us: metrics of Cloud Run are read by its own collector, beside the process
  rule {
    priority    = 100
    action      = "deny(404)"
    description = "metrics are not for clients"
    match {
      expr {
        expression = "request.path.lower().matches('^/metrics/?$')"
      }
    }
  }
  rule {
    priority    = 200
    action      = "deny(403)"
    description = "requests made for CVE-2021-44228, which log libraries of others would follow"
    match {
      expr {
        expression = "evaluatePreconfiguredWaf('cve-canary')"
      }
    }
  }
  rule {
    priority    = 1000
    action      = "throttle"
    description = "each address has a share; tenants' own quotas are the shim's"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
    rate_limit_options {
      conform_action = "allow"
      exceed_action  = "deny(429)"
      enforce_on_key = "IP"
      rate_limit_threshold {
        count        = var.requests_per_minute
        interval_sec = 60
      }
    }
  }
  rule {
    priority    = 2147483647
    action      = "allow"
    description = "default"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }

  adaptive_protection_config {
    layer_7_ddos_defense_config {
      enable = true
    }
  }
}

resource "google_compute_url_map" "this" {
  name            = var.name
  default_service = google_compute_backend_service.this.id
}

resource "google_compute_target_https_proxy" "this" {
  name             = var.name
  url_map          = google_compute_url_map.this.id
  ssl_certificates = [google_compute_managed_ssl_certificate.this.id]
  ssl_policy       = google_compute_ssl_policy.this.id
}

resource "google_compute_global_forwarding_rule" "https" {
  name                  = "${var.name}-https"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.this.id
  target                = google_compute_target_https_proxy.this.id
  port_range            = "443"
}

resource "google_compute_url_map" "redirect" {
  name = "${var.name}-redirect"

  default_url_redirect {
    https_redirect         = true
    redirect_response_code = "PERMANENT_REDIRECT"
    strip_query            = false
  }
}

resource "google_compute_target_http_proxy" "redirect" {
  name    = "${var.name}-redirect"
  url_map = google_compute_url_map.redirect.id
}

resource "google_compute_global_forwarding_rule" "redirect" {
  name                  = "${var.name}-http"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.this.id
  target                = google_compute_target_http_proxy.redirect.id
  port_range            = "80"
}
