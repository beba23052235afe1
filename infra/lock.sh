#!/usr/bin/env bash
# Resolves requirements*.in into universal, pinned lock files, and copies the base images to where
# they are used: lock.sh UV [--upgrade]
set -euo pipefail
uv=$1
shift
for name in requirements requirements-dev; do
  "$uv" pip compile --quiet --universal --python-version 3.11 \
    --custom-compile-command "make lock" "$@" --output-file "$name.txt" "$name.in"
done
infra/bases/copy.sh
