# The body of a message has a shape where functions.yaml names an Avro file
# for its topic, or schemas/<topic>.proto says one. A dead letter has none: it
# keeps whatever could not be read.
locals {
  avro = {
    for topic, name in local.declared.schemas :
    topic => "${path.module}/schemas/${name}.avsc"
  }
  proto = {
    for topic in local.declared.topics :
    topic => "${path.module}/schemas/${topic}.proto"
    if fileexists("${path.module}/schemas/${topic}.proto")
  }
}

resource "google_pubsub_schema" "messages" {
  for_each   = merge(local.proto, local.avro)
  name       = each.key
  type       = endswith(each.value, ".avsc") ? "AVRO" : "PROTOCOL_BUFFER"
  definition = file(each.value)
  depends_on = [google_project_service.apis]
}

resource "google_pubsub_topic" "topics" {
  for_each                   = toset(local.declared.topics)
  name                       = each.key
  message_retention_duration = "604800s"
  kms_key_name               = local.customer_key

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  dynamic "schema_settings" {
    for_each = [
      for s in values(google_pubsub_schema.messages) : s if s.name == each.key
    ]
    content {
      schema   = "projects/${var.project}/schemas/${each.key}"
      encoding = "JSON"
    }
  }

  lifecycle {
    precondition {
      condition = alltrue([
        for f in values(local.functions) : alltrue([
          for t in f.publishes : contains(local.declared.topics, t)
        ])
      ])
      error_message = "functions.yaml: publishes names a topic not in topics."
    }
  }

  depends_on = [
    google_project_service.apis, google_kms_crypto_key_iam_member.agents
  ]
}
