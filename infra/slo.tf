# The promise, and two alerts on how fast its error budget burns: one for what
# would use it up in two days, one for what would in five.
locals {
  promises = {
    handled = "Delivery attempts that succeed"
    prompt  = "Deliveries handled in time"
  }
  burns = {
    fast = { lookback = "3600s", rate = 14.4 }
    slow = { lookback = "21600s", rate = 6 }
  }
}

resource "google_monitoring_custom_service" "leadscore" {
  service_id   = "leadscore"
  display_name = "Lead scoring"
  depends_on   = [google_project_service.apis]
}

resource "google_monitoring_slo" "handled" {
  service             = google_monitoring_custom_service.leadscore.service_id
  slo_id              = "handled"
  display_name        = local.promises.handled
  goal                = var.slo.goal
  rolling_period_days = var.slo.days

  request_based_sli {
    good_total_ratio {
      good_service_filter  = local.counted.deliveries_handled
      total_service_filter = local.counted.deliveries
    }
  }

  depends_on = [google_logging_metric.events]
}

resource "google_monitoring_slo" "prompt" {
  service             = google_monitoring_custom_service.leadscore.service_id
  slo_id              = "prompt"
  display_name        = local.promises.prompt
  goal                = var.slo.goal
  rolling_period_days = var.slo.days

  request_based_sli {
    distribution_cut {
      distribution_filter = local.counted.handling_ms
      range {
        max = var.alerting.latency_ms
      }
    }
  }

  depends_on = [google_logging_metric.events]
}

resource "google_monitoring_alert_policy" "burn" {
  for_each = merge([
    for slo, id in {
      handled = google_monitoring_slo.handled.id
      prompt  = google_monitoring_slo.prompt.id
      } : {
      for speed, burn in local.burns :
      "${slo}-${speed}" => merge(burn, { slo = slo, id = id })
    }
  ]...)
  display_name = "slo-burn ${each.key} (${var.environment})"
  combiner     = "OR"
  severity     = endswith(each.key, "fast") ? "CRITICAL" : "WARNING"
  notification_channels = [
    google_monitoring_notification_channel.email.id
  ]

  conditions {
    display_name = "${local.promises[each.value.slo]}: budget burns"
    condition_threshold {
      filter = join("", [
        "select_slo_burn_rate(\"", each.value.id, "\", \"",
        each.value.lookback, "\")"
      ])
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.rate
      duration        = "0s"
    }
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "${local.promises[each.value.slo]} (${var.environment})"
    content   = "Runbook: ${var.alerting.runbooks}#slo-burn"
    links {
      display_name = "Runbook"
      url          = "${var.alerting.runbooks}#slo-burn"
    }
  }
}
