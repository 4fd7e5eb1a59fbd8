# What infra/bootstrap.sh makes because the pipeline needs it before its first
# apply. From then on it is Terraform's; for what is known already an import
# changes nothing.
import {
  to = google_storage_bucket.artifacts
  id = "${var.project}/${var.project}-artifacts"
}

import {
  to = google_artifact_registry_repository.images
  id = "projects/${var.project}/locations/${var.region}/repositories/leadscore"
}

import {
  for_each = local.secret_variables
  to       = google_secret_manager_secret.secrets[each.key]
  id       = "projects/${var.project}/secrets/${each.key}"
}
