locals {
  # All that shared/config.py reads of where it is; tests/infra compares.
  settings = {
    LEADSCORE_BACKEND          = "gcp"
    LEADSCORE_PROJECT          = var.project
    LEADSCORE_BUCKET           = google_storage_bucket.models.name
    LEADSCORE_DATASET_PREFIX   = var.dataset_prefix
    SALESFORCE_DOMAIN          = var.salesforce.domain
    SALESFORCE_ORGANIZATION_ID = var.salesforce.organization_id
    SALESFORCE_USERNAME        = var.salesforce.username
  }
  secret_variables = {
    ingress-secret          = "LEADSCORE_INGRESS_SECRET"
    salesforce-consumer-key = "SALESFORCE_CONSUMER_KEY"
    salesforce-private-key  = "SALESFORCE_PRIVATE_KEY"
  }
}

resource "google_cloudfunctions2_function" "functions" {
  for_each = local.functions
  name     = each.value.name
  location = var.region

  build_config {
    runtime           = "python311"
    entry_point       = each.key
    service_account   = google_service_account.build.id
    docker_repository = google_artifact_registry_repository.images.id
    source {
      storage_source {
        bucket = google_storage_bucket.artifacts.name
        object = var.source_object
      }
    }
  }

  service_config {
    service_account_email = google_service_account.functions[each.key].email
    timeout_seconds       = each.value.timeout
    available_memory      = each.value.memory
    available_cpu         = "1"
    min_instance_count = (
      each.key == "score_lead" ? min(var.scale.warm, each.value.instances) : 0
    )
    max_instance_count               = each.value.instances
    max_instance_request_concurrency = each.value.parallel
    ingress_settings = (
      each.value.trigger == "http" && var.entrance != null
      ? "ALLOW_INTERNAL_AND_GCLB" : "ALLOW_INTERNAL_ONLY"
    )
    # The pipeline's canary moves traffic; a new revision starts at 0 %.
    all_traffic_on_latest_revision = false

    environment_variables = merge(local.settings, {
      LEADSCORE_PUSH_AUDIENCE         = local.uris[each.key]
      LEADSCORE_PUSH_ACCOUNT          = google_service_account.push.email
      LEADSCORE_MAX_DELIVERY_ATTEMPTS = local.retry.max_delivery_attempts
      LEADSCORE_CHAMPION_TTL_SECONDS  = var.champion_ttl_seconds
    })

    dynamic "secret_environment_variables" {
      for_each = toset(each.value.secrets)
      content {
        key        = local.secret_variables[secret_environment_variables.key]
        project_id = var.project
        secret = google_secret_manager_secret.secrets[
          secret_environment_variables.key
        ].secret_id
        version = lookup(
          var.secret_versions, secret_environment_variables.key, "1"
        )
      }
    }
  }

  lifecycle {
    ignore_changes = [service_config[0].all_traffic_on_latest_revision]
    precondition {
      condition = (
        (each.value.trigger == "topic") == (each.value.topic != null)
        && (each.value.trigger == "schedule") == (each.value.schedule != null)
      )
      error_message = <<-EOT
        ${each.key}: in functions.yaml a trigger `topic` needs topic:, a
        trigger `schedule` needs schedule:, and neither takes the other's.
      EOT
    }
    precondition {
      condition     = each.value.timeout >= 1 && each.value.timeout <= 3600
      error_message = "${each.key}: timeout_seconds is 1 to 3600."
    }
    precondition {
      condition = alltrue([
        for s in each.value.secrets : contains(keys(local.secret_variables), s)
      ])
      error_message = "${each.key}: a secret that no setting is read from."
    }
  }

  # Rights first, so that the first request does not meet a closed door.
  depends_on = [
    google_project_service.apis,
    google_secret_manager_secret_iam_member.readers,
    google_service_account_iam_member.deploys_as,
    google_storage_bucket_iam_member.build_reads,
    google_project_iam_member.build_logs,
    google_artifact_registry_repository_iam_member.build_writes,
  ]
}

resource "google_cloud_run_v2_service_iam_member" "push" {
  for_each = { for k, f in local.functions : k => f if f.trigger != "http" }
  name     = google_cloudfunctions2_function.functions[each.key].name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.push.member
}
