#!/bin/sh
# A key and a self-signed certificate for the External Client App's JWT login: the certificate goes to Salesforce, the key to
# Secret Manager and nowhere else.   Usage: salesforce/make_certificate.sh DIR [DAYS]
set -eu
folder=${1:?Say where to put the key and the certificate, outside the repository.}
days=${2:-365}
mkdir -p "${folder}"
umask 077
openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days "${days}" -subj "/CN=leadscore" \
  -keyout "${folder}/salesforce.key" -out "${folder}/salesforce.crt" 2>/dev/null
chmod 644 "${folder}/salesforce.crt"
echo "Certificate, for the External Client App: ${folder}/salesforce.crt (valid for ${days} days)"
echo "Key, for Secret Manager:                  ${folder}/salesforce.key"
echo "  gcloud secrets versions add salesforce-private-key --data-file=${folder}/salesforce.key && rm ${folder}/salesforce.key"
