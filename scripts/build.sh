#!/usr/bin/env bash
# Builds the engine and the Python door and installs the package in place into .venv. Only what changed is compiled.
set -euo pipefail
cd "$(dirname "$0")/.."

# One build at a time, and none where no source is newer than the last.
exec 9>.venv/.build-lock
flock 9
stamp=.venv/.done-build
if [ -e "$stamp" ] && [ -z "$(find csrc CMakeLists.txt pyproject.toml s3dlio_core s3dlio_torch -newer "$stamp" \
      \( -name '*.cpp' -o -name '*.h' -o -name 'CMakeLists.txt' -o -name '*.map' -o -name '*.toml' -o -name '*.py' -o -type d \) \
      ! -name __pycache__ -print -quit)" ]; then
  exit 0
fi
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation -e .
touch "$stamp"
