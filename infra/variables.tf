variable "project" {
  description = "Id of the project; one environment is one project."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = <<-EOT
      A project id has 6-30 lower-case letters, digits and dashes. Copy it
      from `gcloud projects list`; it is not the name or the number.
    EOT
  }
}

variable "environment" {
  description = "Which of the three environments this is."
  type        = string
  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "environment is dev, staging or prod."
  }
}

variable "region" {
  description = "Where everything runs and is kept, BigQuery included."
  type        = string
  default     = "us-central1"
  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region is a region such as us-central1, no zone."
  }
}

variable "source_object" {
  description = "The functions' bundle in the artifacts bucket."
  type        = string
  validation {
    condition = can(
      regex("^functions/functions-[0-9a-f]{16}\\.zip$", var.source_object)
    )
    error_message = <<-EOT
      source_object is functions/functions-<16 hex digits>.zip: named by its
      content, as `make bundle` does. Under an unchanged name nothing new is
      deployed.
    EOT
  }
}

variable "training_image" {
  description = "The training job's image, by digest."
  type        = string
  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.training_image))
    error_message = "training_image ends in @sha256:<digest>; a tag moves."
  }
}

variable "dataset_prefix" {
  description = "Put before every dataset, for projects that share one."
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^([a-z][a-z0-9_]*_)?$", var.dataset_prefix))
    error_message = "dataset_prefix is empty or like team_ (ends in _)."
  }
}

variable "salesforce" {
  description = <<-EOT
    Login host (login, test or a My Domain), integration user, and the
    organisation whose outbound messages are let in ("" refuses all).
  EOT
  type = object({
    domain          = optional(string, "login")
    username        = string
    organization_id = optional(string, "")
  })
  validation {
    condition = can(
      regex("^(00D[A-Za-z0-9]{15})?$", var.salesforce.organization_id)
    )
    error_message = "salesforce.organization_id is 18 letters, 00D first."
  }
  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+$", var.salesforce.username))
    error_message = "salesforce.username looks like name@company.example."
  }
  validation {
    condition = can(
      regex("^[a-z0-9-]+(\\.[a-z0-9-]+)*$", var.salesforce.domain)
    )
    error_message = <<-EOT
      salesforce.domain is login, test or acme.my: no https:// and no
      .salesforce.com.
    EOT
  }
}

variable "secret_versions" {
  description = "Which version of each secret is in use; raise it to rotate."
  type        = map(string)
  default     = {}
  validation {
    condition = alltrue(
      [for v in values(var.secret_versions) : can(regex("^[1-9][0-9]*$", v))]
    )
    error_message = <<-EOT
      A secret version is a number such as "2". With "latest" an instance
      started later would use another secret than its neighbour.
    EOT
  }
}

variable "scale" {
  description = "Instances kept warm and at most, where not said otherwise."
  type = object({
    warm          = optional(number, 0)
    max_instances = optional(number, 10)
  })
  default = {}
  validation {
    condition     = var.scale.warm >= 0 && var.scale.warm <= 3
    error_message = "scale.warm is 0 to 3: each instance costs all month."
  }
  validation {
    condition = (
      var.scale.max_instances >= 1 && var.scale.max_instances <= 100
    )
    error_message = "scale.max_instances is 1 to 100."
  }
}

variable "protected" {
  description = "Whether tables, jobs and secrets refuse to be destroyed."
  type        = bool
  default     = true
  validation {
    condition     = var.environment != "prod" || var.protected
    error_message = "prod stays protected; docs/operations.md says how to end."
  }
}

variable "champion_ttl_seconds" {
  description = "How soon a promoted or rolled back model is noticed."
  type        = number
  default     = 30
  validation {
    condition = (
      var.champion_ttl_seconds >= 1 && var.champion_ttl_seconds <= 3600
      && floor(var.champion_ttl_seconds) == var.champion_ttl_seconds
    )
    error_message = "champion_ttl_seconds is a whole number, 1 to 3600."
  }
}

variable "time_zone" {
  description = "Time zone of the schedules in functions.yaml."
  type        = string
  default     = "Etc/UTC"
  validation {
    condition     = can(regex("^[A-Z][A-Za-z]+/[A-Za-z_/-]+$", var.time_zone))
    error_message = "time_zone is an IANA name such as America/New_York."
  }
}

variable "alerting" {
  description = "Who is told, where the runbooks are, and from which value on."
  type = object({
    email                 = string
    runbooks              = string
    error_ratio           = optional(number, 0.05)
    latency_ms            = optional(number, 30000)
    unacked_seconds       = optional(number, 900)
    model_age_days        = optional(number, 120)
    silence_hours         = optional(number, 25)
    salesforce_api_errors = optional(number, 3)
  })
  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+$", var.alerting.email))
    error_message = "alerting.email is an address; an alert must reach one."
  }
  validation {
    condition     = can(regex("^https://.+\\.md$", var.alerting.runbooks))
    error_message = <<-EOT
      alerting.runbooks is the https address of docs/operations.md; each alert
      links to its own heading there.
    EOT
  }
  validation {
    condition = (
      var.alerting.error_ratio > 0 && var.alerting.error_ratio < 1
    )
    error_message = "alerting.error_ratio lies between 0 and 1."
  }
  validation {
    condition = (
      var.alerting.silence_hours >= 1 && var.alerting.silence_hours <= 25
    )
    error_message = "alerting.silence_hours is 1 to 25, Monitoring's limit."
  }
}

variable "slo" {
  description = "Share of deliveries handled at the first attempt, and days."
  type = object({
    goal = optional(number, 0.99)
    days = optional(number, 28)
  })
  default = {}
  validation {
    condition     = var.slo.goal > 0.5 && var.slo.goal < 1
    error_message = "slo.goal lies between 0.5 and 1; 1 leaves no budget."
  }
  validation {
    condition     = var.slo.days >= 1 && var.slo.days <= 30
    error_message = "slo.days is 1 to 30."
  }
}

variable "budget" {
  description = "Monthly budget of this project; null for none."
  type = object({
    billing_account = string
    amount          = number
    currency        = optional(string, "USD")
  })
  default = null
  validation {
    condition = var.budget == null || can(regex(
      "^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.budget.billing_account
    ))
    error_message = "budget.billing_account looks like 012345-6789AB-CDEF01."
  }
  validation {
    condition = var.budget == null || try(
      var.budget.amount > 0 && floor(var.budget.amount) == var.budget.amount,
      false
    )
    error_message = "budget.amount is a whole amount of money above 0."
  }
}

variable "customer_key" {
  description = "Whether data is encrypted with a key of this project."
  type        = bool
  default     = false
}

variable "github" {
  description = "Repository (owner/name) whose main branch may deploy."
  type        = string
  default     = null
  validation {
    condition = var.github == null || can(
      regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github)
    )
    error_message = "github is owner/name, no address."
  }
}

variable "entrance" {
  description = <<-EOT
    Public host where Salesforce reports stage changes, and the addresses it
    may call from. Null: no public entrance; polling brings the news.
  EOT
  type = object({
    host      = string
    addresses = set(string)
  })
  default = null
  validation {
    condition = var.entrance == null || can(
      regex("^[a-z0-9-]+(\\.[a-z0-9-]+)+$", var.entrance.host)
    )
    error_message = "entrance.host is a host name such as leads.acme.example."
  }
  validation {
    condition = var.entrance == null || try(
      length(var.entrance.addresses) >= 1
      && length(var.entrance.addresses) <= 10
      && alltrue([
        for a in var.entrance.addresses :
        can(cidrhost(a, 0)) && !endswith(a, "/0")
      ]),
      false
    )
    error_message = <<-EOT
      entrance.addresses is 1 to 10 CIDR ranges, those of your Salesforce
      instance, and never all of the internet.
    EOT
  }
}
