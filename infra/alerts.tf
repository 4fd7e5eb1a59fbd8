# Each alert has its runbook in docs/operations.md under a heading of its name.
locals {
  user   = "logging.googleapis.com/user"
  on_run = "resource.type = \"cloud_run_revision\""
  counted = {
    for name in keys(local.events) : name =>
    "${local.on_run} AND metric.type = \"${local.user}/${name}\""
  }
  of_subscription = join(" AND ", [
    "resource.type = \"pubsub_subscription\"",
    "metric.type = \"pubsub.googleapis.com/subscription/%s\""
  ])

  alerts = {
    dead-letters-waiting = {
      about = "Dead letters wait for a person"
      filter = join(" AND ", [
        format(local.of_subscription, "num_undelivered_messages"),
        "resource.labels.subscription_id = \"dead-letters-dlq\""
      ])
      aligner = "ALIGN_MAX"
    }
    dead-letters-unfiled = {
      about  = "A dead letter cannot be filed; its message is retried"
      filter = local.counted.dead_letters_unfiled
    }
    messages-unacknowledged = {
      about = "A message has waited too long"
      filter = join(" AND ", [
        format(local.of_subscription, "oldest_unacked_message_age"),
        "resource.labels.subscription_id != \"dead-letters-dlq\""
      ])
      aligner   = "ALIGN_MAX"
      threshold = var.alerting.unacked_seconds
      duration  = "300s"
    }
    deliveries-failing = {
      about       = "Too many delivery attempts fail"
      filter      = local.counted.deliveries_failed
      denominator = local.counted.deliveries
      aligner     = "ALIGN_DELTA"
      period      = "600s"
      threshold   = var.alerting.error_ratio
      duration    = "600s"
    }
    functions-crashing = {
      about = "A function fails in a way it does not know"
      filter = join(" AND ", [
        local.on_run,
        "metric.type = \"run.googleapis.com/request_count\"",
        "metric.labels.response_code = \"500\""
      ])
    }
    deliveries-slow = {
      about     = "Handling a message takes too long"
      filter    = local.counted.handling_ms
      aligner   = "ALIGN_PERCENTILE_95"
      reducer   = "REDUCE_MAX"
      threshold = var.alerting.latency_ms
      duration  = "600s"
    }
    no-scores = {
      about      = "No lead has been scored for a day"
      filter     = local.counted.leads_scored
      comparison = "COMPARISON_LT"
      period     = "${var.alerting.silence_hours * 3600}s"
      threshold  = 1
      duration   = "300s"
    }
    no-nightly-batch = {
      about      = "The nightly batch has not run"
      filter     = local.counted.batches_planned
      comparison = "COMPARISON_LT"
      period     = "90000s"
      threshold  = 1
      duration   = "300s"
    }
    leads-not-scored = {
      about     = "The nightly batch passes over many leads"
      filter    = local.counted.leads_not_scored
      period    = "3600s"
      threshold = 100
    }
    schedule-failing = {
      about  = "A scheduled call is refused"
      filter = local.counted.schedules_failed
      period = "3600s"
      # Scheduler tries again three times by itself.
      threshold = 3
    }
    job-failed = {
      about = "A run of a job failed"
      filter = join(" AND ", [
        "resource.type = \"cloud_run_job\"",
        "metric.type = \"run.googleapis.com/job/completed_execution_count\"",
        "metric.labels.result = \"failed\""
      ])
    }
    model-old = {
      about     = "The champion's knowledge is old"
      filter    = local.counted.model_age_days
      aligner   = "ALIGN_PERCENTILE_99"
      reducer   = "REDUCE_MAX"
      period    = "3600s"
      threshold = var.alerting.model_age_days
    }
    model-unreadable = {
      about  = "The champion is missing or cannot be read"
      filter = local.counted.model_unreadable
    }
    salesforce-login = {
      about  = "Salesforce refuses the login"
      filter = local.counted.salesforce_login_refused
    }
    salesforce-quota = {
      about     = "Salesforce's daily calls are used up"
      filter    = local.counted.salesforce_quota
      threshold = var.alerting.salesforce_api_errors
    }
    settings-refused = {
      about  = "A setting, a Salesforce field or a table does not fit"
      filter = local.counted.settings_refused
    }
    strangers = {
      about     = "Somebody calls without a valid token"
      filter    = local.counted.strangers
      period    = "3600s"
      threshold = 20
    }
  }
}

resource "google_monitoring_notification_channel" "email" {
  display_name = "Lead scoring on call"
  type         = "email"
  labels       = { email_address = var.alerting.email }
  depends_on   = [google_project_service.apis]
}

resource "google_monitoring_alert_policy" "alerts" {
  for_each     = local.alerts
  display_name = "${each.key} (${var.environment})"
  combiner     = "OR"
  notification_channels = [
    google_monitoring_notification_channel.email.id
  ]

  conditions {
    display_name = each.value.about
    condition_threshold {
      filter             = each.value.filter
      denominator_filter = try(each.value.denominator, null)
      comparison         = try(each.value.comparison, "COMPARISON_GT")
      threshold_value    = try(each.value.threshold, 0)
      duration           = try(each.value.duration, "0s")
      # Silence is what an alert on too little is about.
      evaluation_missing_data = (
        try(each.value.comparison, "COMPARISON_GT") == "COMPARISON_LT"
        ? "EVALUATION_MISSING_DATA_ACTIVE" : null
      )
      aggregations {
        alignment_period     = try(each.value.period, "300s")
        per_series_aligner   = try(each.value.aligner, "ALIGN_SUM")
        cross_series_reducer = try(each.value.reducer, "REDUCE_SUM")
      }
      dynamic "denominator_aggregations" {
        for_each = try(each.value.denominator, null)[*]
        content {
          alignment_period     = each.value.period
          per_series_aligner   = each.value.aligner
          cross_series_reducer = "REDUCE_SUM"
        }
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "${each.value.about} (${var.environment})"
    content   = "Runbook: ${var.alerting.runbooks}#${each.key}"
    links {
      display_name = "Runbook"
      url          = "${var.alerting.runbooks}#${each.key}"
    }
  }

  depends_on = [google_logging_metric.events]
}
