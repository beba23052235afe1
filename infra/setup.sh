#!/usr/bin/env bash
# Makes the virtual environment from the lock files: setup.sh PYTHON VENV
set -euo pipefail
python=$1
venv=$2
locks=(-r requirements.txt -r requirements-dev.txt)

if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
  echo "error: '$python' is not Python 3.11, 3.12 or 3.13 ($("$python" --version 2>&1 | head -n 1 || true))." \
    "Install one of them, or name it: make setup PYTHON=python3.11" >&2
  exit 2
fi

echo "Setting up $venv with $("$python" --version) ..."
if command -v uv >/dev/null; then
  uv venv --quiet --allow-existing --python "$("$python" -c 'import sys; print(sys.executable)')" "$venv"
  uv pip install --quiet --compile-bytecode --python "$venv/bin/python" "${locks[@]}"
else
  "$python" -m venv "$venv" || {
    echo "error: '$python' cannot make a virtual environment. On Debian: apt-get install python3-venv" >&2
    exit 2
  }
  pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
  # The uv of the lock installs the rest in a sixth of the time; it has no wheel for every machine.
  if "${pip[@]}" --only-binary :all: "$(grep '^uv==' requirements-dev.txt)" 2>/dev/null; then
    "$venv/bin/uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" "${locks[@]}"
  else
    "${pip[@]}" "${locks[@]}"
  fi
fi
touch "$venv/.ready"
echo "Ready."
