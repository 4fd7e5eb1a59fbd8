# Salesforce can neither sign in at Google nor reach an internal address. Where
# news within the minute is wanted, a load balancer lets its addresses, and no
# others, through to receive_stage_change, which asks for the ingress secret.
locals {
  entrances = {
    for k, f in local.functions : k => f
    if f.trigger == "http" && var.entrance != null
  }
}

resource "google_cloud_run_v2_service_iam_member" "entrance" {
  for_each = local.entrances
  name     = google_cloudfunctions2_function.functions[each.key].name
  location = var.region
  role     = "roles/run.invoker"
  member   = "allUsers"
}

resource "google_compute_region_network_endpoint_group" "entrance" {
  for_each              = local.entrances
  name                  = each.value.name
  region                = var.region
  network_endpoint_type = "SERVERLESS"
  cloud_run {
    service = google_cloudfunctions2_function.functions[each.key].name
  }
}

resource "google_compute_security_policy" "entrance" {
  for_each = local.entrances
  name     = each.value.name

  rule {
    action   = "throttle"
    priority = 1000
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = var.entrance.addresses
      }
    }
    rate_limit_options {
      conform_action = "allow"
      exceed_action  = "deny(429)"
      rate_limit_threshold {
        count        = 600
        interval_sec = 60
      }
    }
  }

  rule {
    action   = "deny(403)"
    priority = 2147483647
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }
}

resource "google_compute_backend_service" "entrance" {
  for_each              = local.entrances
  name                  = each.value.name
  load_balancing_scheme = "EXTERNAL_MANAGED"
  security_policy = google_compute_security_policy.entrance[
    each.key
  ].id
  backend {
    group = google_compute_region_network_endpoint_group.entrance[
      each.key
    ].id
  }
  log_config {
    enable = true
  }
}

resource "google_compute_url_map" "entrance" {
  for_each = local.entrances
  name     = each.value.name
  default_service = google_compute_backend_service.entrance[
    each.key
  ].id
}

resource "google_compute_managed_ssl_certificate" "entrance" {
  for_each = local.entrances
  name     = each.value.name
  managed {
    domains = [var.entrance.host]
  }
}

resource "google_compute_ssl_policy" "entrance" {
  for_each        = local.entrances
  name            = each.value.name
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"
}

resource "google_compute_target_https_proxy" "entrance" {
  for_each   = local.entrances
  name       = each.value.name
  url_map    = google_compute_url_map.entrance[each.key].id
  ssl_policy = google_compute_ssl_policy.entrance[each.key].id
  ssl_certificates = [
    google_compute_managed_ssl_certificate.entrance[each.key].id
  ]
}

resource "google_compute_global_address" "entrance" {
  for_each   = local.entrances
  name       = each.value.name
  depends_on = [google_project_service.apis]
}

resource "google_compute_global_forwarding_rule" "entrance" {
  for_each              = local.entrances
  name                  = each.value.name
  load_balancing_scheme = "EXTERNAL_MANAGED"
  port_range            = "443"
  ip_address            = google_compute_global_address.entrance[each.key].id
  target = google_compute_target_https_proxy.entrance[
    each.key
  ].id
}
