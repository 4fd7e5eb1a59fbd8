# Who wrote an object and who read a secret, by name, in the project's own log.
resource "google_project_iam_audit_config" "read_and_written" {
  for_each = {
    "storage.googleapis.com"       = "DATA_WRITE"
    "secretmanager.googleapis.com" = "DATA_READ"
  }
  project = var.project
  service = each.key
  audit_log_config {
    log_type = each.value
  }
}
