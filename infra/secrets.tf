# Only the containers: a value given to Terraform would lie in its state.
# infra/bootstrap.sh adds the first version, docs/operations.md the next. They
# stay on Google's keys: another key would replace them and lose the values.
resource "google_secret_manager_secret" "secrets" {
  for_each            = local.secret_variables
  secret_id           = each.key
  deletion_protection = var.protected

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }

  version_destroy_ttl = "604800s"

  lifecycle {
    precondition {
      condition = alltrue([
        for name in keys(var.secret_versions) :
        contains(keys(local.secret_variables), name)
      ])
      error_message = <<-EOT
        secret_versions names a secret that does not exist; there are
        ${join(", ", keys(local.secret_variables))}.
      EOT
    }
  }

  depends_on = [google_project_service.apis]
}
