# A key of this project for data at rest, where customer_key asks for it. The
# artifacts bucket and images hold code, not data, and stay on Google's keys.
locals {
  customer_key = one(google_kms_crypto_key.data[*].id)
}

resource "google_kms_key_ring" "leadscore" {
  count      = var.customer_key ? 1 : 0
  name       = "leadscore"
  location   = var.region
  depends_on = [google_project_service.apis]
}

resource "google_kms_crypto_key" "data" {
  count           = var.customer_key ? 1 : 0
  name            = "data"
  key_ring        = google_kms_key_ring.leadscore[0].id
  rotation_period = "7776000s"

  # What it encrypted is lost with it; destroying is done by hand.
  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "agents" {
  for_each      = { for k, a in local.agents : k => a if var.customer_key }
  crypto_key_id = google_kms_crypto_key.data[0].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = each.value
}
