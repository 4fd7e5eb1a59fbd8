# Cheap: nothing is kept warm, everything may be destroyed.
environment = "dev"
protected   = false
scale       = { warm = 0, max_instances = 3 }
salesforce  = { domain = "test", username = "leadscore@example.com.dev" }
alerting = {
  email    = "leadscore-dev@example.com"
  runbooks = "https://git.example.com/leadscore/docs/operations.md"
}
