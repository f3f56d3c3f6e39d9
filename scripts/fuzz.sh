#!/usr/bin/env bash
# Runs every fuzzer for so many seconds under AddressSanitizer and UndefinedBehaviorSanitizer. A finding stops it.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?usage: fuzz.sh SECONDS}
folder=build/fuzz
export PATH="$PWD/.venv/bin:$PATH"
cmake -S . -B "$folder" -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DS3DLIO_FUZZERS=ON -DS3DLIO_SANITIZE=address,undefined \
  -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g1" -DCMAKE_CXX_FLAGS=-fsanitize=fuzzer-no-link >/dev/null
fuzzers=$(find tests/csrc/fuzz -name '*_fuzz.cpp' -printf '%f\n' | sed 's/\.cpp$//' | sort)
# shellcheck disable=SC2086  # a list of targets
ninja -C "$folder" -j "${JOBS:-$(nproc)}" --quiet $fuzzers
for fuzzer in $fuzzers; do
  mkdir -p "build/corpus/$fuzzer"
  seeds=tests/csrc/fuzz/seeds/$fuzzer
  echo "fuzzing $fuzzer for $seconds s"
  "$folder/tests/csrc/fuzz/$fuzzer" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=2048 -print_final_stats=1 \
    "build/corpus/$fuzzer" $([ -d "$seeds" ] && echo "$seeds") 2>"build/corpus/$fuzzer.log" \
    || { tail -40 "build/corpus/$fuzzer.log" >&2; exit 1; }
  grep -E 'number_of_executed_units' "build/corpus/$fuzzer.log"
done
