# As prod, at the size of dev.
environment = "staging"
protected   = true
scale       = { warm = 0, max_instances = 5 }
salesforce  = { domain = "test", username = "leadscore@example.com.staging" }
alerting = {
  email    = "leadscore-staging@example.com"
  runbooks = "https://git.example.com/leadscore/docs/operations.md"
}
