#!/bin/sh
# The training job's image. Terraform deploys it by digest, never by tag.
set -eu
docker build --file training_job/Dockerfile --build-arg "CODE_VERSION=${COMMIT}" --tag "${IMAGE}:${COMMIT}" .
docker push "${IMAGE}:${COMMIT}"
mkdir -p build
docker inspect --format '{{index .RepoDigests 0}}' "${IMAGE}:${COMMIT}" > build/image.digest
cat build/image.digest
