resource "google_cloud_scheduler_job" "functions" {
  for_each         = local.scheduled
  name             = each.value.name
  region           = var.region
  schedule         = each.value.schedule
  time_zone        = var.time_zone
  attempt_deadline = "${min(1800, each.value.timeout + 30)}s"

  retry_config {
    retry_count          = 3
    min_backoff_duration = "30s"
    max_backoff_duration = "600s"
  }

  http_target {
    http_method = "POST"
    uri         = local.uris[each.key]
    headers     = { "Content-Type" = "application/json" }
    body        = base64encode("{}")
    oidc_token {
      service_account_email = google_service_account.push.email
      audience              = local.uris[each.key]
    }
  }

  depends_on = [
    google_cloudfunctions2_function.functions,
    google_service_account_iam_member.deploys_as,
  ]
}

resource "google_cloud_scheduler_job" "jobs" {
  for_each         = local.jobs
  name             = "${each.value.name}-job"
  region           = var.region
  schedule         = each.value.schedule
  time_zone        = var.time_zone
  attempt_deadline = "60s"

  http_target {
    http_method = "POST"
    uri = join("", [
      "https://run.googleapis.com/v2/projects/", var.project, "/locations/",
      var.region, "/jobs/", google_cloud_run_v2_job.jobs[each.key].name, ":run"
    ])
    oauth_token {
      service_account_email = google_service_account.push.email
    }
  }
}
