# Models are immutable objects and a pointer: all versions of both are kept.
resource "google_storage_bucket" "models" {
  name                        = "${var.project}-models"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = var.protected ? 2592000 : 604800
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 365
      num_newer_versions         = 20
    }
  }

  dynamic "encryption" {
    for_each = local.customer_key[*]
    content {
      default_kms_key_name = encryption.value
    }
  }

  depends_on = [
    google_project_service.apis, google_kms_crypto_key_iam_member.agents
  ]
}

# Bundles, plans and release records of the pipeline.
resource "google_storage_bucket" "artifacts" {
  name                        = "${var.project}-artifacts"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = 604800
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = 30
      matches_prefix = ["plans/"]
    }
  }

  depends_on = [google_project_service.apis]
}
