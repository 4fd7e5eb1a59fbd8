# tables/*.json says grain, key, partition, clustering and columns of a table;
# views/ and routines/ hold GoogleSQL under <dataset>.<name>.sql.
locals {
  tables = {
    for file in fileset("${path.module}/tables", "*.json") :
    trimsuffix(file, ".json") =>
    jsondecode(file("${path.module}/tables/${file}"))
  }
  dataset_ids = {
    for name in distinct([for name in keys(local.tables) :
    split(".", name)[0]]) : name => "${var.dataset_prefix}${name}"
  }
  # As the code does: a table in backticks is one name, prefixed here.
  sql = {
    for file in fileset(path.module, "{views,routines}/*.sql") : file =>
    replace(
      file("${path.module}/${file}"),
      "/`([a-z_]+\\.[a-z_]+)`/", "`${var.project}.${var.dataset_prefix}$1`"
    )
  }
}

resource "google_bigquery_dataset" "datasets" {
  for_each                   = local.dataset_ids
  dataset_id                 = each.value
  location                   = var.region
  delete_contents_on_destroy = false
  max_time_travel_hours      = "168"

  dynamic "default_encryption_configuration" {
    for_each = local.customer_key[*]
    content {
      kms_key_name = default_encryption_configuration.value
    }
  }

  depends_on = [
    google_project_service.apis, google_kms_crypto_key_iam_member.agents
  ]
}

resource "google_bigquery_table" "tables" {
  for_each = local.tables
  dataset_id = google_bigquery_dataset.datasets[
    split(".", each.key)[0]
  ].dataset_id
  table_id            = split(".", each.key)[1]
  deletion_protection = var.protected
  clustering          = each.value.clustering
  schema              = jsonencode(each.value.schema)
  description = join(" ", [
    each.value.description,
    "Grain: ${each.value.grain}. Key: ${join(", ", each.value.key)}."
  ])

  time_partitioning {
    type  = each.value.partition.type
    field = each.value.partition.field
  }

  lifecycle {
    precondition {
      condition     = each.key == each.value.table
      error_message = "tables/${each.key}.json is of another table."
    }
    precondition {
      condition = alltrue([
        for name in concat(
          each.value.key, each.value.clustering, [each.value.partition.field]
        ) : contains(each.value.schema[*].name, name)
      ])
      error_message = <<-EOT
        tables/${each.key}.json: key, clustering or partition names a column
        that schema does not have.
      EOT
    }
    precondition {
      condition     = lookup(local.writers, each.key, 0) <= 20
      error_message = <<-EOT
        ${lookup(local.writers, each.key, 0)} requests could append to
        ${each.key} at once. BigQuery lets 20 wait and refuses the others:
        lower max_instances or concurrency in functions.yaml.
      EOT
    }
  }
}

resource "google_bigquery_table" "views" {
  for_each = toset([for f in keys(local.sql) : f if startswith(f, "views/")])
  dataset_id = google_bigquery_dataset.datasets[
    split(".", basename(each.key))[0]
  ].dataset_id
  table_id            = split(".", basename(each.key))[1]
  deletion_protection = false

  view {
    query          = local.sql[each.key]
    use_legacy_sql = false
  }

  depends_on = [google_bigquery_table.tables]
}

resource "google_bigquery_routine" "routines" {
  for_each = toset([
    for f in keys(local.sql) : f if startswith(f, "routines/")
  ])
  dataset_id = google_bigquery_dataset.datasets[
    split(".", basename(each.key))[0]
  ].dataset_id
  routine_id      = split(".", basename(each.key))[1]
  routine_type    = "TABLE_VALUED_FUNCTION"
  language        = "SQL"
  definition_body = local.sql[each.key]

  arguments {
    name      = "moment"
    data_type = jsonencode({ typeKind = "TIMESTAMP" })
  }

  depends_on = [google_bigquery_table.tables]
}
