resource "google_artifact_registry_repository" "images" {
  repository_id = "leadscore"
  location      = var.region
  format        = "DOCKER"
  description   = "Images of the training job, deployed by digest."

  cleanup_policies {
    id     = "keep-recent"
    action = "KEEP"
    most_recent_versions {
      keep_count = 10
    }
  }

  cleanup_policies {
    id     = "drop-old-untagged"
    action = "DELETE"
    condition {
      tag_state  = "UNTAGGED"
      older_than = "7776000s"
    }
  }

  depends_on = [google_project_service.apis]
}
