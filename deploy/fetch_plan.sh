#!/bin/sh
# The plan a person approved, made by the build named _PLAN.
set -eu
mkdir -p build
gcloud storage cp "gs://${ARTIFACTS_BUCKET}/plans/${PLAN}/*" build/
