# Protected, and warm where a lead waits for its score. Add budget, entrance,
# customer_key and github as variables.tf describes them.
environment = "prod"
protected   = true
scale       = { warm = 1, max_instances = 20 }
salesforce  = { domain = "login", username = "leadscore@example.com" }
alerting = {
  email    = "leadscore@example.com"
  runbooks = "https://git.example.com/leadscore/docs/operations.md"
}
