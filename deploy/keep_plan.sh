#!/bin/sh
# The plan and what it names, kept beside each other for the build that applies them.
set -eu
for file in tf.plan plan.txt bundle.path image.digest; do
  gcloud storage cp "build/${file}" "gs://${ARTIFACTS_BUCKET}/plans/${BUILD}/${file}"
done
