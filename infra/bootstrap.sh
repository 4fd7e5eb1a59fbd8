#!/bin/sh
# Once per project, by its owner, before the first build: what the pipeline needs before Terraform can run.
# usage: infra/bootstrap.sh PROJECT REGION SALESFORCE_KEY_FILE
# Asks for the Salesforce consumer key, and makes the ingress secret up. Running it again changes nothing that is there.
set -eu
if [ $# -ne 3 ]; then echo "usage: infra/bootstrap.sh PROJECT REGION SALESFORCE_KEY_FILE (the PEM of salesforce/make_certificate.sh)" >&2; exit 2; fi
project=$1 region=$2 key_file=$3
if ! grep -q 'PRIVATE KEY' "${key_file}" 2>/dev/null; then echo "${key_file} is not a private key in PEM form." >&2; exit 2; fi

# What the build needs, and what ./leadscore doctor --before asks whether the region has all of it.
gcloud services enable --project "${project}" artifactregistry.googleapis.com cloudbilling.googleapis.com cloudbuild.googleapis.com \
  cloudfunctions.googleapis.com cloudresourcemanager.googleapis.com cloudscheduler.googleapis.com iam.googleapis.com \
  run.googleapis.com secretmanager.googleapis.com serviceusage.googleapis.com storage.googleapis.com

for bucket in terraform-state artifacts; do
  gcloud storage buckets describe "gs://${project}-${bucket}" --project "${project}" >/dev/null 2>&1 ||
    gcloud storage buckets create "gs://${project}-${bucket}" --project "${project}" --location "${region}" \
      --uniform-bucket-level-access --public-access-prevention
done
gcloud storage buckets update "gs://${project}-terraform-state" --project "${project}" --versioning

gcloud artifacts repositories describe leadscore --project "${project}" --location "${region}" >/dev/null 2>&1 ||
  gcloud artifacts repositories create leadscore --project "${project}" --location "${region}" --repository-format docker

secret() {
  gcloud secrets describe "$1" --project "${project}" >/dev/null 2>&1 ||
    gcloud secrets create "$1" --project "${project}" --replication-policy user-managed --locations "${region}" --data-file -
}
openssl rand -hex 32 | tr -d '\n' | secret ingress-secret
secret salesforce-private-key < "${key_file}"
if ! gcloud secrets describe salesforce-consumer-key --project "${project}" >/dev/null 2>&1; then
  printf 'Salesforce consumer key: ' >&2
  read -r consumer_key
  printf %s "${consumer_key}" | secret salesforce-consumer-key
fi

account="leadscore-deploy@${project}.iam.gserviceaccount.com"
gcloud iam service-accounts describe "${account}" --project "${project}" >/dev/null 2>&1 ||
  gcloud iam service-accounts create leadscore-deploy --project "${project}" --display-name "Deploys lead scoring"
for role in artifactregistry.admin bigquery.admin cloudbuild.builds.builder cloudfunctions.admin cloudkms.admin cloudscheduler.admin \
  compute.admin iam.roleAdmin iam.serviceAccountAdmin iam.workloadIdentityPoolAdmin logging.admin monitoring.admin pubsub.admin \
  resourcemanager.projectIamAdmin run.admin secretmanager.admin serviceusage.serviceUsageAdmin storage.admin; do
  gcloud projects add-iam-policy-binding "${project}" --member "serviceAccount:${account}" --role "roles/${role}" \
    --condition None --format none
done
echo "Ready: start the first build. The deploy account can administer this project's services; it is no owner and has no key."
