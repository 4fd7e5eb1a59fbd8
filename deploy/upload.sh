#!/bin/sh
# The bundle, under the name of its content: what is there already is not uploaded again.
set -eu
bundle=$(cat build/bundle.path)
gcloud storage cp --no-clobber "${bundle}" "gs://${ARTIFACTS_BUCKET}/functions/$(basename "${bundle}")"
