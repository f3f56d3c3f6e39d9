#!/usr/bin/env bash
# Builds and runs the C++ tests: release, or under a sanitizer (address,undefined | thread) with its planted bug.
# With address,undefined the doors are built too, and Python tests run over them.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:?usage: cpp-tests.sh release|address,undefined|thread}
folder=build/cpp-${kind//,/-}
options=(-DS3DLIO_TESTS=ON -DS3DLIO_WERROR=ON)
if [ "$kind" = release ]; then
  options+=(-DCMAKE_BUILD_TYPE=Release)
else
  options+=(-DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g1" "-DS3DLIO_SANITIZE=$kind")
fi
if [ "$kind" = address,undefined ]; then
  options+=(-DS3DLIO_PYTHON=ON "-DPython_EXECUTABLE=$PWD/.venv/bin/python")
fi
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=second_deadlock_stack=1
export PATH="$PWD/.venv/bin:$PATH"
cmake -S . -B "$folder" -G Ninja "${options[@]}" >/dev/null
ninja -C "$folder" -j "${JOBS:-$(nproc)}" --quiet
ctest --test-dir "$folder" --output-on-failure --timeout 900
if [ "$kind" = address,undefined ]; then scripts/door-tests.sh "$folder"; fi
