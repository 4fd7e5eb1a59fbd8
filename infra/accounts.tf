# One account per function and per job, with rights on what it touches.
resource "google_service_account" "functions" {
  for_each     = local.functions
  account_id   = "fn-${each.value.name}"
  display_name = "Function ${each.value.name}"
  depends_on   = [google_project_service.apis]
}

resource "google_service_account" "jobs" {
  for_each     = local.jobs
  account_id   = "job-${each.value.name}"
  display_name = "Job ${each.value.name}"
  depends_on   = [google_project_service.apis]
}

# Whose token every push endpoint demands: Pub/Sub's and Scheduler's.
resource "google_service_account" "push" {
  account_id   = "leadscore-push"
  display_name = "Pushes messages and schedules to the functions"
  depends_on   = [google_project_service.apis]
}

resource "google_service_account" "build" {
  account_id   = "leadscore-build"
  display_name = "Builds the functions' images"
  depends_on   = [google_project_service.apis]
}
