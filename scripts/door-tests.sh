#!/usr/bin/env bash
# Runs Python tests over doors and an engine that were built with AddressSanitizer and UndefinedBehaviorSanitizer
# (cpp-tests.sh builds them), and a planted bug that must be caught.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:?usage: door-tests.sh BUILD_FOLDER}
site=$PWD/$folder/site
cmake --install "$folder" --prefix "$site" >/dev/null
cp -ru s3dlio_core s3dlio_torch "$site/"
# An editable installation finds its packages by a hook of its own, which would win over PYTHONPATH.
cat >"$site/sitecustomize.py" <<'PY'
import sys

sys.meta_path[:] = [finder for finder in sys.meta_path if not type(finder).__name__.startswith("ScikitBuild")]
PY

# The runtimes come first in the process, as they must. Sizes that no machine has are tried, and are to be refused.
sanitized() {
  env LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libstdc++.so)" PYTHONMALLOC=malloc \
    PYTHONPATH="$site" PYTHONDONTWRITEBYTECODE=1 \
    ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0:allocator_may_return_null=1 \
    UBSAN_OPTIONS=print_stacktrace=1 .venv/bin/python -P "$@"  # -P: not the sources in this folder
}

sanitized -c "import s3dlio_core._ext as e; assert e.__file__.startswith('$site'), e.__file__"
said=$(sanitized tests/csrc/planted/planted_door.py 2>&1) && { echo "the planted bug was not caught" >&2; exit 1; }
if ! grep -q "AddressSanitizer: heap-buffer-overflow" <<<"$said" || ! grep -q "s3dlio::crc" <<<"$said"; then
  echo "the planted bug ended otherwise:" >&2
  tail -40 <<<"$said" >&2
  exit 1
fi

sanitized -m pytest -q -p no:cacheprovider \
  tests/core/test_buffer.py tests/core/test_checksum.py tests/core/test_numbers.py tests/core/store/test_writer_threads.py \
  tests/conformance/test_get.py tests/conformance/test_get_many.py tests/conformance/test_put.py \
  tests/conformance/test_writer_lending.py tests/torch/test_freed_storage.py tests/torch/test_ops.py \
  -k "not seaweedfs and not moto and not compile and not opcheck and not autograd and not says_what"
