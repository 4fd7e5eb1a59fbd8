# Metrics counted from the events functions log (shared/log.py). tests/infra
# runs the functions and holds each filter to what they wrote.
locals {
  scheduled_names = join(" OR ", [for k in keys(local.scheduled) : "\"${k}\""])

  events = {
    deliveries = {
      about  = "Delivery attempts"
      filter = <<-EOT
        jsonPayload.message=("message_handled" OR "delivery_deferred" OR
        "message_dead_lettered" OR "dead_letter_deferred")
      EOT
    }
    deliveries_handled = {
      about  = "Delivery attempts that succeeded"
      filter = "jsonPayload.message=\"message_handled\""
    }
    deliveries_failed = {
      about  = "Delivery attempts that did not succeed"
      filter = <<-EOT
        jsonPayload.message=("delivery_deferred" OR "message_dead_lettered" OR
        "dead_letter_deferred")
      EOT
    }
    dead_letters = {
      about  = "Messages filed as dead letters, with the reason"
      filter = "jsonPayload.message=\"message_dead_lettered\""
    }
    dead_letters_unfiled = {
      about  = "Dead letters that could not be filed yet"
      filter = "jsonPayload.message=\"dead_letter_deferred\""
    }
    handling_ms = {
      about  = "Milliseconds to handle a delivery"
      filter = "jsonPayload.message=\"message_handled\""
      value  = "EXTRACT(jsonPayload.ms)"
    }
    leads_scored = {
      about  = "Scores and pages of scores written to the ledger"
      filter = <<-EOT
        (jsonPayload.message="score_recorded" OR
        (jsonPayload.message="page_scored" AND jsonPayload.scored>0))
      EOT
    }
    leads_not_scored = {
      about  = "Leads the nightly batch passed over"
      filter = "jsonPayload.message=\"lead_not_scored\""
    }
    batches_planned = {
      about  = "Nightly batches that were planned"
      filter = "jsonPayload.message=\"batch_planned\""
    }
    model_age_days = {
      about  = "Days since the champion's training data ended"
      filter = "jsonPayload.message=\"batch_planned\""
      value  = "EXTRACT(jsonPayload.model_age_days)"
    }
    model_unreadable = {
      about  = "The champion is missing or cannot be read"
      filter = <<-EOT
        (jsonPayload.message="champion_refresh_failed" OR
        jsonPayload.error=("no_champion" OR "corrupt_artifact"))
      EOT
    }
    salesforce_login_refused = {
      about  = "Salesforce refused the integration user's login"
      filter = <<-EOT
        jsonPayload.error="crm_unavailable" AND
        jsonPayload.reason:"refused the login"
      EOT
    }
    salesforce_quota = {
      about  = "Salesforce's daily calls are used up"
      filter = <<-EOT
        jsonPayload.error="crm_unavailable" AND
        jsonPayload.reason:"REQUEST_LIMIT_EXCEEDED"
      EOT
    }
    settings_refused = {
      about  = "A setting, field or schema is not usable"
      filter = <<-EOT
        jsonPayload.error=("config_error" OR "data_error" OR "schema_mismatch")
      EOT
    }
    schedules_failed = {
      about  = "A call by Scheduler did not succeed"
      filter = <<-EOT
        jsonPayload.message="request_refused" AND
        jsonPayload.function=(${local.scheduled_names})
      EOT
    }
    strangers = {
      about  = "Calls without a valid token or secret"
      filter = <<-EOT
        jsonPayload.message="request_refused" AND jsonPayload.status=401
      EOT
    }
  }
}

resource "google_logging_metric" "events" {
  for_each    = local.events
  name        = each.key
  description = each.value.about
  filter = join(" ", concat(
    ["resource.type=\"cloud_run_revision\" AND"],
    compact(split("\n", replace(each.value.filter, "/ *\\n */", "\n")))
  ))
  value_extractor = try(each.value.value, null)

  metric_descriptor {
    metric_kind = "DELTA"
    value_type = (
      try(each.value.value, null) == null ? "INT64" : "DISTRIBUTION"
    )
    labels {
      key = "function"
    }
    labels {
      key = "error"
    }
  }

  label_extractors = {
    function = "EXTRACT(jsonPayload.function)"
    error    = "EXTRACT(jsonPayload.error)"
  }

  depends_on = [google_project_service.apis]
}
