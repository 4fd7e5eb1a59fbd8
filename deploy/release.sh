#!/bin/sh
# Canary, then the record of the release. Whatever fails after apply, traffic goes back to what served before.
set -eu
if [ ! -f build/outputs.json ]; then echo "Nothing was applied, so there is nothing to release."; exit 0; fi
python3 -m deploy.canary build/outputs.json
record="gs://${ARTIFACTS_BUCKET}/releases/${ENVIRONMENT}/${BUILD}.json"
printf '{"build": "%s", "commit": "%s", "bundle": "%s", "image": "%s"}\n' \
  "${BUILD}" "${COMMIT}" "$(basename "$(cat build/bundle.path)")" "$(cat build/image.digest)" > build/release.json
if ! gcloud storage cp build/release.json "${record}" ||
   ! gcloud artifacts docker tags add "$(cat build/image.digest)" "${IMAGE}:${ENVIRONMENT}"; then
  python3 -m deploy.canary --back build/before_canary.json
  exit 1
fi
echo "Released; the record is ${record}."
