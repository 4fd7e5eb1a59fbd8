resource "google_monitoring_dashboard" "leadscore" {
  dashboard_json = file("${path.module}/dashboard.json")
  depends_on     = [google_logging_metric.events]
}
