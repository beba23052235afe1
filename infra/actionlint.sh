#!/usr/bin/env bash
# Checks the workflows that are named with actionlint, which Go installs beside our environment.
set -euo pipefail
bin=$(cd "$(dirname "$0")/.." && pwd)/.venv/bin
linter=$(command -v actionlint || echo "$bin/actionlint")
if ! [[ -x $linter ]] &&
  ! GOBIN=$bin go install github.com/rhysd/actionlint/cmd/actionlint@latest; then
  echo "actionlint was left out: it needs Go and the network." >&2
  # A machine of the CI has both: there it must not go unnoticed.
  if [[ -n ${CI:-} ]]; then exit 1; else exit 0; fi
fi
exec "$linter" "$@"
