terraform {
  required_version = ">= 1.9"

  backend "gcs" {}

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.50"
    }
  }
}

provider "google" {
  project        = var.project
  region         = var.region
  default_labels = { app = "leadscore", environment = var.environment }

  # Budgets are asked of the billing account, which charges this project.
  user_project_override = true
  billing_project       = var.project
}

data "google_project" "this" {}
