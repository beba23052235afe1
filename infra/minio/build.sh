#!/usr/bin/env bash
# Prints the path of a MinIO server for this machine: the Dockerfile's version, built once.
set -euo pipefail

fail() {
  echo "error: MinIO $version cannot be built: $*" >&2
  exit 1
}

version=${MINIO_VERSION:-$(sed -n 's/^ARG MINIO_VERSION=//p' "$(dirname "$0")/Dockerfile")}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/insurance-predictor
binary=$cache/minio-$version

if [[ ! -x $binary ]]; then
  command -v go >/dev/null || fail "there is no Go on this machine."
  echo "Building MinIO $version once, which takes some minutes ..." >&2
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  GOBIN=$work CGO_ENABLED=0 go install -trimpath -ldflags="-s -w" \
    "github.com/minio/minio@$version" >"$work/log" 2>&1 || fail "$(tail -n 1 "$work/log")"
  mv "$work/minio" "$binary" # a rename: whoever builds at the same time never sees half a file
fi
echo "$binary"
