# What must hold between resources, whatever their values.
variables {
  project        = "example-project"
  environment    = "dev"
  source_object  = "functions/functions-0123456789abcdef.zip"
  training_image = "us-central1-docker.pkg.dev/example-project/leadscore/training@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  protected      = false
  salesforce     = { username = "leadscore@example.com" }
  alerting = {
    email    = "leadscore@example.com"
    runbooks = "https://git.example.com/leadscore/docs/operations.md"
  }
}

run "a_message_is_not_delivered_again_while_it_is_handled" {
  command = plan
  assert {
    condition = alltrue([
      for k, s in google_pubsub_subscription.push :
      s.ack_deadline_seconds >= google_cloudfunctions2_function.functions[k].service_config[0].timeout_seconds
    ])
    error_message = "An ack deadline is shorter than its function's timeout."
  }
  assert {
    condition = alltrue([
      for k, j in google_cloud_scheduler_job.functions :
      tonumber(trimsuffix(j.attempt_deadline, "s")) >= google_cloudfunctions2_function.functions[k].service_config[0].timeout_seconds
    ])
    error_message = "Scheduler gives up before its function does."
  }
}

run "who_pushes_is_whom_the_function_lets_in" {
  command = plan
  assert {
    condition = alltrue([
      for k, s in google_pubsub_subscription.push :
      s.push_config[0].oidc_token[0].audience == google_cloudfunctions2_function.functions[k].service_config[0].environment_variables["LEADSCORE_PUSH_AUDIENCE"]
      && s.push_config[0].oidc_token[0].service_account_email == google_cloudfunctions2_function.functions[k].service_config[0].environment_variables["LEADSCORE_PUSH_ACCOUNT"]
    ])
    error_message = "A subscription's token is not the one its function demands."
  }
  assert {
    condition = alltrue([
      for k, s in google_pubsub_subscription.push :
      tostring(s.dead_letter_policy[0].max_delivery_attempts) == google_cloudfunctions2_function.functions[k].service_config[0].environment_variables["LEADSCORE_MAX_DELIVERY_ATTEMPTS"]
    ])
    error_message = "A function and its subscription count attempts differently."
  }
}

run "nothing_waits_to_be_forgotten" {
  command = plan
  assert {
    condition     = alltrue([for s in google_pubsub_subscription.push : s.expiration_policy[0].ttl == ""])
    error_message = "A subscription expires."
  }
  assert {
    condition     = google_pubsub_subscription.dead_letters.message_retention_duration == "2678400s"
    error_message = "Dead letters are kept for as long as Pub/Sub keeps anything."
  }
  assert {
    condition     = alltrue([for k in keys(local.pushed) : contains(keys(google_pubsub_subscription_iam_member.dead_letter_agent), k)])
    error_message = "Pub/Sub cannot forward the dead letters of a subscription."
  }
}

run "dev_is_cheap" {
  command = plan
  assert {
    condition     = alltrue([for f in google_cloudfunctions2_function.functions : f.service_config[0].min_instance_count == 0])
    error_message = "dev keeps an instance warm."
  }
  assert {
    condition     = alltrue([for t in google_bigquery_table.tables : !t.deletion_protection])
    error_message = "dev cannot be destroyed."
  }
}

run "prod_is_protected_and_warm_where_a_lead_waits" {
  command = plan
  variables {
    environment = "prod"
    protected   = true
    scale       = { warm = 1 }
  }
  assert {
    condition = (
      alltrue([for t in google_bigquery_table.tables : t.deletion_protection])
      && alltrue([for j in google_cloud_run_v2_job.jobs : j.deletion_protection])
      && alltrue([for s in google_secret_manager_secret.secrets : s.deletion_protection])
    )
    error_message = "Something in prod can be destroyed."
  }
  assert {
    condition = (
      google_cloudfunctions2_function.functions["score_lead"].service_config[0].min_instance_count == 1
      && google_cloudfunctions2_function.functions["score_batch"].service_config[0].min_instance_count == 0
    )
    error_message = "score_lead is the one that stays warm."
  }
}

run "an_entrance_is_the_only_way_in_and_only_for_one_function" {
  command = plan
  variables {
    entrance = { host = "leads.example.com", addresses = ["203.0.113.0/24"] }
  }
  assert {
    condition = alltrue([
      for k, f in google_cloudfunctions2_function.functions :
      f.service_config[0].ingress_settings == (k == "receive_stage_change" ? "ALLOW_INTERNAL_AND_GCLB" : "ALLOW_INTERNAL_ONLY")
    ])
    error_message = "Only receive_stage_change is behind the load balancer."
  }
  assert {
    condition     = keys(google_cloud_run_v2_service_iam_member.entrance) == ["receive_stage_change"]
    error_message = "Only receive_stage_change is called without Google's token."
  }
  assert {
    condition     = one([for r in google_compute_security_policy.entrance["receive_stage_change"].rule : r.action if r.priority == 2147483647]) == "deny(403)"
    error_message = "Other addresses than Salesforce's are let in."
  }
}

run "a_key_of_our_own_may_be_used_by_those_who_need_it" {
  command = plan
  variables {
    customer_key = true
  }
  assert {
    condition     = keys(google_kms_crypto_key_iam_member.agents) == ["bigquery", "pubsub", "storage"]
    error_message = "A service may not use the key it is told to use."
  }
}

run "github_deploys_from_one_branch_of_one_repository" {
  command = plan
  variables {
    github = "example/leadscore"
  }
  assert {
    condition     = google_iam_workload_identity_pool_provider.github[0].attribute_condition == "assertion.sub == \"repo:example/leadscore:ref:refs/heads/main\""
    error_message = "More than one branch of one repository may deploy."
  }
}

run "a_budget_tells_those_on_call" {
  command = plan
  variables {
    budget = { billing_account = "012345-6789AB-CDEF01", amount = 300 }
  }
  assert {
    condition     = google_billing_budget.monthly[0].amount[0].specified_amount[0].units == "300"
    error_message = "The budget is not the one asked for."
  }
}
