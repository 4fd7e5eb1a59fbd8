locals {
  # How a condition names the objects of the models bucket.
  objects = join("", [
    "projects/_/buckets/", google_storage_bucket.models.name, "/objects/"
  ])
  publishes = merge([
    for k, f in local.functions : {
      for topic in f.publishes : "${k}/${topic}" => { who = k, topic = topic }
    }
  ]...)
  function_reads = merge([
    for k, f in local.functions : {
      for d in f.reads : "${k}/${d}" => { who = k, dataset = d }
    }
  ]...)
  function_writes = merge([
    for k, f in local.functions : {
      for t in f.writes : "${k}/${t}" => { who = k, table = t }
    }
  ]...)
  function_secrets = merge([
    for k, f in local.functions : {
      for s in f.secrets : "${k}/${s}" => { who = k, secret = s }
    }
  ]...)
  job_writes = merge([
    for k, j in local.jobs : {
      for t in j.writes : "${k}/${t}" => { who = k, table = t }
    }
  ]...)
  job_reads = merge([
    for k, j in local.jobs : {
      for d in j.reads : "${k}/${d}" => { who = k, dataset = d }
    }
  ]...)
}

resource "google_pubsub_topic_iam_member" "publishers" {
  for_each = local.publishes
  topic    = google_pubsub_topic.topics[each.value.topic].name
  role     = "roles/pubsub.publisher"
  member   = google_service_account.functions[each.value.who].member
}

resource "google_bigquery_dataset_iam_member" "functions" {
  for_each   = local.function_reads
  dataset_id = local.dataset_ids[each.value.dataset]
  role       = "roles/bigquery.dataViewer"
  member     = google_service_account.functions[each.value.who].member
  depends_on = [google_bigquery_dataset.datasets]
}

resource "google_bigquery_dataset_iam_member" "jobs" {
  for_each   = local.job_reads
  dataset_id = local.dataset_ids[each.value.dataset]
  role       = "roles/bigquery.dataViewer"
  member     = google_service_account.jobs[each.value.who].member
  depends_on = [google_bigquery_dataset.datasets]
}

# dataEditor may also drop the table; appending needs no more than this.
resource "google_project_iam_custom_role" "appender" {
  role_id     = "leadscoreAppender"
  title       = "Lead score appender"
  description = "Read and add rows of a table, without dropping it."
  permissions = [
    "bigquery.tables.get",
    "bigquery.tables.getData",
    "bigquery.tables.updateData",
  ]
  depends_on = [google_project_service.apis]
}

resource "google_bigquery_table_iam_member" "functions" {
  for_each   = local.function_writes
  dataset_id = google_bigquery_table.tables[each.value.table].dataset_id
  table_id   = google_bigquery_table.tables[each.value.table].table_id
  role       = google_project_iam_custom_role.appender.name
  member     = google_service_account.functions[each.value.who].member
}

resource "google_bigquery_table_iam_member" "jobs" {
  for_each   = local.job_writes
  dataset_id = google_bigquery_table.tables[each.value.table].dataset_id
  table_id   = google_bigquery_table.tables[each.value.table].table_id
  role       = google_project_iam_custom_role.appender.name
  member     = google_service_account.jobs[each.value.who].member
}

# Running a query is a right of the project; what it reads is the dataset's.
resource "google_project_iam_member" "functions_query" {
  for_each = local.queries
  project  = var.project
  role     = "roles/bigquery.jobUser"
  member   = google_service_account.functions[each.key].member
}

resource "google_project_iam_member" "jobs_query" {
  for_each = local.jobs
  project  = var.project
  role     = "roles/bigquery.jobUser"
  member   = google_service_account.jobs[each.key].member
}

resource "google_storage_bucket_iam_member" "functions" {
  for_each = { for k, f in local.functions : k => f if f.models }
  bucket   = google_storage_bucket.models.name
  role     = "roles/storage.objectViewer"
  member   = google_service_account.functions[each.key].member
}

# The one object a function keeps for itself, such as a watermark.
resource "google_storage_bucket_iam_member" "functions_keep" {
  for_each = { for k, f in local.functions : k => f if f.keeps != null }
  bucket   = google_storage_bucket.models.name
  role     = "roles/storage.objectUser"
  member   = google_service_account.functions[each.key].member
  condition {
    title = "own-object"
    expression = join("", [
      "resource.name == \"", local.objects, each.value.keeps, "\""
    ])
  }
}

# A job stores new versions, may move the challenger's pointer, and writes its
# runs' files anew when it is tried again. It can neither replace a model nor
# promote one.
resource "google_storage_bucket_iam_member" "jobs_read" {
  for_each = local.jobs
  bucket   = google_storage_bucket.models.name
  role     = "roles/storage.objectViewer"
  member   = google_service_account.jobs[each.key].member
}

resource "google_storage_bucket_iam_member" "jobs_create" {
  for_each = { for k, j in local.jobs : k => j if j.models == "write" }
  bucket   = google_storage_bucket.models.name
  role     = "roles/storage.objectCreator"
  member   = google_service_account.jobs[each.key].member
}

resource "google_storage_bucket_iam_member" "jobs_replace" {
  for_each = { for k, j in local.jobs : k => j if j.models == "write" }
  bucket   = google_storage_bucket.models.name
  role     = "roles/storage.objectUser"
  member   = google_service_account.jobs[each.key].member
  condition {
    title = "challenger-and-own-runs"
    expression = join("", [
      "resource.name == \"", local.objects, "registry/challenger.json\" || ",
      "resource.name.startsWith(\"", local.objects, "runs/\")",
    ])
  }
}

resource "google_secret_manager_secret_iam_member" "readers" {
  for_each  = local.function_secrets
  secret_id = google_secret_manager_secret.secrets[each.value.secret].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.functions[each.value.who].member
}

resource "google_storage_bucket_iam_member" "build_reads" {
  bucket = google_storage_bucket.artifacts.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.build.member
}

resource "google_project_iam_member" "build_logs" {
  project = var.project
  role    = "roles/logging.logWriter"
  member  = google_service_account.build.member
}

resource "google_artifact_registry_repository_iam_member" "build_writes" {
  repository = google_artifact_registry_repository.images.name
  location   = var.region
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.build.member
}

# The pipeline deploys what runs as these accounts, and its canary lets Pub/Sub
# push to new revisions as the push account.
resource "google_service_account_iam_member" "deploys_as" {
  for_each = merge(
    { for k, a in google_service_account.functions : "fn/${k}" => a.name },
    { for k, a in google_service_account.jobs : "job/${k}" => a.name },
    {
      push  = google_service_account.push.name
      build = google_service_account.build.name
    },
  )
  service_account_id = each.value
  role               = "roles/iam.serviceAccountUser"
  member             = local.deploy_account
}
