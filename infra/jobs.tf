resource "google_cloud_run_v2_job" "jobs" {
  for_each            = local.jobs
  name                = each.value.name
  location            = var.region
  deletion_protection = var.protected

  template {
    template {
      service_account = google_service_account.jobs[each.key].email
      timeout         = "7200s"
      # The second attempt goes on where the first one stopped.
      max_retries = 1

      containers {
        image = var.training_image
        args  = each.value.arguments
        resources {
          limits = { cpu = "4", memory = "8Gi" }
        }
        dynamic "env" {
          for_each = merge(local.settings, { OMP_NUM_THREADS = "1" })
          content {
            name  = env.key
            value = env.value
          }
        }
      }
    }
  }

  depends_on = [
    google_project_service.apis, google_service_account_iam_member.deploys_as
  ]
}

resource "google_cloud_run_v2_job_iam_member" "push" {
  for_each = local.jobs
  name     = google_cloud_run_v2_job.jobs[each.key].name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.push.member
}
