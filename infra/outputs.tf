output "functions" {
  description = "Each function's Cloud Run service, address, and caller."
  value = {
    for k, f in google_cloudfunctions2_function.functions : k => {
      service = f.name
      uri     = local.uris[k]
      pushed  = local.functions[k].trigger != "http"
    }
  }
}

output "models_bucket" {
  description = "Where models and their registry are."
  value       = google_storage_bucket.models.name
}

output "dead_letters" {
  description = "The subscription that dead letters wait in."
  value       = google_pubsub_subscription.dead_letters.name
}

output "entrance" {
  description = "Address to point the entrance's host name at, or null."
  value = one([
    for a in google_compute_global_address.entrance : a.address
  ])
}

output "dashboard" {
  description = "The dashboard's id."
  value       = google_monitoring_dashboard.leadscore.id
}
