# What functions.yaml declares, with the defaults of what it leaves out.
locals {
  declared = yamldecode(file("${path.module}/functions.yaml"))
  retry    = local.declared.retry

  functions = {
    for key, given in local.declared.functions : key => {
      name      = replace(key, "_", "-")
      trigger   = given.trigger
      topic     = try(given.topic, null)
      schedule  = try(given.schedule, null)
      publishes = try(given.publishes, [])
      reads     = try(given.reads, [])
      writes    = try(given.writes, [])
      models    = try(given.models, false)
      keeps     = try(given.keeps, null)
      secrets   = try(given.secrets, [])
      timeout   = try(given.timeout_seconds, 60)
      memory    = try(given.memory, "512Mi")
      parallel  = try(given.concurrency, 8)
      instances = min(
        try(given.max_instances, var.scale.max_instances),
        var.scale.max_instances
      )
    }
  }

  jobs = {
    for key, given in try(local.declared.jobs, {}) : key => {
      name      = replace(key, "_", "-")
      schedule  = given.schedule
      arguments = given.arguments
      reads     = try(given.reads, [])
      writes    = try(given.writes, [])
      models    = try(given.models, "read")
    }
  }

  pushed    = { for k, f in local.functions : k => f if f.trigger == "topic" }
  scheduled = { for k, f in local.functions : k => f if f.schedule != null }
  queries   = { for k, f in local.functions : k => f if length(f.reads) > 0 }

  writers = {
    for table in distinct(flatten(values(local.functions)[*].writes)) :
    table => sum([
      for f in values(local.functions) : f.instances * f.parallel
      if contains(f.writes, table)
    ])
  }

  # Cloud Run's deterministic address is known before the service exists, so a
  # function can be told the audience it must demand.
  uris = {
    for k, f in local.functions : k => join("", [
      "https://", f.name, "-", data.google_project.this.number, ".",
      var.region, ".run.app"
    ])
  }

  deploy_account = join("", [
    "serviceAccount:leadscore-deploy@", var.project,
    ".iam.gserviceaccount.com"
  ])
  agents = {
    pubsub = join("", [
      "serviceAccount:service-", data.google_project.this.number,
      "@gcp-sa-pubsub.iam.gserviceaccount.com"
    ])
    storage = join("", [
      "serviceAccount:service-", data.google_project.this.number,
      "@gs-project-accounts.iam.gserviceaccount.com"
    ])
    bigquery = join("", [
      "serviceAccount:bq-", data.google_project.this.number,
      "@bigquery-encryption.iam.gserviceaccount.com"
    ])
  }
}
