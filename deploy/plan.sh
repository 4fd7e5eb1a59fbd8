#!/bin/sh
# Plan into a file, and keep it: what is applied later is this plan and no other.
set -eu
object="functions/$(basename "$(cat build/bundle.path)")"
cd infra
terraform init -input=false -backend-config="bucket=${STATE_BUCKET}" -backend-config="prefix=leadscore/${ENVIRONMENT}"
terraform plan -input=false -lock-timeout=5m -var-file="${ENVIRONMENT}.tfvars" -var="project=${PROJECT}" \
  -var="source_object=${object}" -var="training_image=$(cat ../build/image.digest)" -out=../build/tf.plan
terraform show -no-color ../build/tf.plan > ../build/plan.txt
