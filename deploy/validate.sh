#!/bin/sh
# Terraform's own checks, without a state or credentials.
set -eu
cd infra
terraform fmt -check -recursive
terraform init -input=false -backend=false
terraform validate
