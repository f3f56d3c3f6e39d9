#!/usr/bin/env bash
# Formatters, linters, types and compiler warnings; any finding fails.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/.venv/bin
export PATH="$bin:$PATH"

mapfile -t cpp < <(git ls-files --cached --others --exclude-standard '*.cpp' '*.h')
clang-format --dry-run -Werror "${cpp[@]}"
ruff format --check --quiet .
ruff check --quiet .
mypy
for script in scripts/*.sh .ci/run; do bash -n "$script"; done

# -Werror builds happen in the C++ tests; clang-tidy reads the same compile commands.
folder=build/tidy
cmake -S . -B "$folder" -G Ninja -DS3DLIO_TESTS=ON -DS3DLIO_PYTHON=ON "-DPython_EXECUTABLE=$bin/python" -DS3DLIO_WERROR=ON \
  -DCMAKE_BUILD_TYPE=Release >/dev/null
git ls-files --cached --others --exclude-standard 'csrc/*.cpp' |
  xargs -P "${JOBS:-$(nproc)}" -n 4 clang-tidy -p "$folder" --quiet --extra-arg=-Wno-unknown-warning-option --warnings-as-errors='*' 2>/dev/null
echo "checks passed"
