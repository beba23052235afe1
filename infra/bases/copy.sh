#!/usr/bin/env bash
# Copies what infra/bases/Dockerfile names, tag and digest, into the Dockerfiles that build from it.
set -euo pipefail
cd "$(dirname "$0")/../.."

for base in $(sed -n 's/^FROM \([^ ]*\) AS .*/\1/p' infra/bases/Dockerfile); do
  for file in infra/{app,minio,mlflow,postgres}/Dockerfile; do
    # `sed -i` wants another option on macOS than on Linux.
    changed=$(sed -E "s/${base%%:*}:[A-Za-z0-9_.-]+@sha256:[0-9a-f]{64}/$base/" "$file")
    printf '%s\n' "$changed" >"$file"
  done
done
