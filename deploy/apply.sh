#!/bin/sh
# Apply the plan that was made, then say where everything is. Production wants a person's approval first.
set -eu
if [ "${ENVIRONMENT}" = prod ] && [ "${APPROVED:-}" != yes ]; then
  echo "prod: the plan is kept as gs://${ARTIFACTS_BUCKET}/plans/${BUILD}/tf.plan and not applied."
  echo "Read it, then run the trigger leadscore-prod-apply with _PLAN=${BUILD}; Cloud Build asks for approval."
  exit 0
fi
cd infra
terraform init -input=false -backend-config="bucket=${STATE_BUCKET}" -backend-config="prefix=leadscore/${ENVIRONMENT}"
terraform apply -input=false -lock-timeout=5m ../build/tf.plan
terraform output -json > ../build/outputs.json
