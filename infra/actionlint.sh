#!/usr/bin/env bash
# Checks the workflows that are named with actionlint, which Go installs beside our environment.
set -euo pipefail
bin=$(cd "$(dirname "$0")/.." && pwd)/.venv/bin
linter=$(command -v actionlint || echo "$bin/actionlint")
if ! [[ -x $linter ]] &&
  ! GOBIN=$bin go install github.com/rhysd/actionlint/cmd/actionlint@latest; then
  echo "actionlint was left out: it needs Go and the network." >&2
  # GitHub's machines have both: there it must not go unnoticed.
  [[ ${GITHUB_ACTIONS:-} != true ]]
  exit
fi
exec "$linter" "$@"
