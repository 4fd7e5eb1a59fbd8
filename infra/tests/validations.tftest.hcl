# Every validation block of variables.tf refuses something: one value each, and
# a run for as many variables at once as do not stand in each other's way.
variables {
  project        = "example-project"
  environment    = "dev"
  source_object  = "functions/functions-0123456789abcdef.zip"
  training_image = "us-central1-docker.pkg.dev/example-project/leadscore/training@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  salesforce     = { username = "leadscore@example.com" }
  alerting = {
    email    = "leadscore@example.com"
    runbooks = "https://git.example.com/leadscore/docs/operations.md"
  }
}

run "what_is_not_in_the_form_of_a_name" {
  command = plan
  variables {
    project        = "Example Project"
    region         = "us-central1-a"
    source_object  = "functions/latest.zip"
    training_image = "example/training:latest"
    dataset_prefix = "team-a"
    salesforce     = { username = "" }
    time_zone      = "EST"
    alerting       = { email = "on-call", runbooks = "https://git.example.com/operations.md" }
    budget         = { billing_account = "Main", amount = 300 }
    github         = "https://github.com/example/leadscore"
    entrance       = { host = "leads", addresses = ["203.0.113.0/24"] }
  }
  expect_failures = [var.project, var.region, var.source_object, var.training_image, var.dataset_prefix, var.salesforce, var.time_zone, var.alerting, var.budget, var.github, var.entrance]
}

run "what_is_out_of_range" {
  command = plan
  variables {
    environment          = "qa"
    secret_versions      = { ingress-secret = "latest" }
    scale                = { warm = 10 }
    champion_ttl_seconds = 0.5
    salesforce           = { domain = "https://login.salesforce.com", username = "a@example.com" }
    alerting             = { email = "a@example.com", runbooks = "https://git.example.com/operations.md", error_ratio = 5 }
    slo                  = { goal = 1 }
    budget               = { billing_account = "012345-6789AB-CDEF01", amount = 0 }
    entrance             = { host = "leads.example.com", addresses = ["0.0.0.0/0"] }
  }
  expect_failures = [var.environment, var.secret_versions, var.scale, var.champion_ttl_seconds, var.salesforce, var.alerting, var.slo, var.budget, var.entrance]
}

run "what_would_hurt_later" {
  command = plan
  variables {
    environment = "prod"
    protected   = false
    scale       = { max_instances = 0 }
    slo         = { days = 90 }
    salesforce  = { username = "a@example.com", organization_id = "acme" }
    alerting    = { email = "a@example.com", runbooks = "https://git.example.com/operations.md", silence_hours = 72 }
  }
  expect_failures = [var.salesforce, var.protected, var.scale, var.slo, var.alerting]
}

run "runbooks_nobody_can_open" {
  command = plan
  variables {
    alerting = { email = "a@example.com", runbooks = "docs/operations.md" }
  }
  expect_failures = [var.alerting]
}

run "a_secret_nobody_reads" {
  command = plan
  variables {
    secret_versions = { salesforce-password = "1" }
  }
  expect_failures = [google_secret_manager_secret.secrets]
}
