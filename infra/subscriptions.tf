# A function's event trigger cannot have a dead letter, so the subscription is
# ours and the function an HTTP one.
resource "google_pubsub_subscription" "push" {
  for_each                   = local.pushed
  name                       = each.value.name
  topic                      = google_pubsub_topic.topics[each.value.topic].id
  ack_deadline_seconds       = min(600, each.value.timeout + 30)
  message_retention_duration = "604800s"

  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "${local.retry.min_backoff_seconds}s"
    maximum_backoff = "${local.retry.max_backoff_seconds}s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.topics["dead-letters"].id
    max_delivery_attempts = local.retry.max_delivery_attempts
  }

  push_config {
    push_endpoint = local.uris[each.key]
    oidc_token {
      service_account_email = google_service_account.push.email
      audience              = local.uris[each.key]
    }
  }

  lifecycle {
    precondition {
      condition     = each.value.timeout <= 600
      error_message = <<-EOT
        ${each.key}: timeout_seconds is above 600, the longest Pub/Sub waits
        for an answer: it would deliver again while the function still works.
        Split the work into smaller messages.
      EOT
    }
    precondition {
      condition     = contains(local.declared.topics, each.value.topic)
      error_message = "${each.key}: its topic is not in topics."
    }
  }

  depends_on = [google_cloudfunctions2_function.functions]
}

# Without a subscription of its own a dead-letter topic drops what it is given.
resource "google_pubsub_subscription" "dead_letters" {
  name                       = "dead-letters-dlq"
  topic                      = google_pubsub_topic.topics["dead-letters"].id
  ack_deadline_seconds       = 60
  message_retention_duration = "2678400s"

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_topic_iam_member" "dead_letter_agent" {
  topic  = google_pubsub_topic.topics["dead-letters"].name
  role   = "roles/pubsub.publisher"
  member = local.agents.pubsub
}

resource "google_pubsub_subscription_iam_member" "dead_letter_agent" {
  for_each     = local.pushed
  subscription = google_pubsub_subscription.push[each.key].name
  role         = "roles/pubsub.subscriber"
  member       = local.agents.pubsub
}
