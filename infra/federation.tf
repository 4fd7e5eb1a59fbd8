# GitHub deploys without a key: its token is exchanged for the deploy account,
# from one branch of one repository only.
resource "google_iam_workload_identity_pool" "github" {
  count                     = var.github == null ? 0 : 1
  workload_identity_pool_id = "github"
  depends_on                = [google_project_service.apis]
}

resource "google_iam_workload_identity_pool_provider" "github" {
  count = var.github == null ? 0 : 1
  workload_identity_pool_id = one(
    google_iam_workload_identity_pool.github[*].workload_identity_pool_id
  )
  workload_identity_pool_provider_id = "github"

  attribute_mapping = {
    "google.subject"       = "assertion.sub"
    "attribute.repository" = "assertion.repository"
  }
  attribute_condition = join("", [
    "assertion.sub == \"repo:", var.github, ":ref:refs/heads/main\""
  ])

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "github_deploys" {
  count = var.github == null ? 0 : 1
  service_account_id = join("", [
    "projects/", var.project, "/serviceAccounts/leadscore-deploy@",
    var.project, ".iam.gserviceaccount.com"
  ])
  role = "roles/iam.workloadIdentityUser"
  member = join("", [
    "principalSet://iam.googleapis.com/",
    google_iam_workload_identity_pool.github[0].name,
    "/attribute.repository/", var.github
  ])
}
