#!/usr/bin/env bash
# Builds the wheel, shows what it asks of a system, and tries it in a clean virtual environment outside the checkout,
# first without torch, then with it.
set -euo pipefail
cd "$(dirname "$0")/.."

.venv/bin/python -m pip install --quiet --disable-pip-version-check auditwheel build
rm -rf dist build/wheel-venv
.venv/bin/python -m build --wheel --no-isolation --outdir dist . >build/wheel.log 2>&1 || { tail -40 build/wheel.log >&2; exit 1; }
wheel=$(ls dist/*.whl)
.venv/bin/auditwheel show "$wheel"

# OpenSSL is inside and hidden: no libssl among the needed libraries, no SSL_ among the exported symbols.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
.venv/bin/python -m zipfile -e "$wheel" "$folder"
library=$folder/s3dlio_core/lib/libs3dlio.so.1
if readelf -d "$library" "$folder"/s3dlio_core/_ext*.so | grep -E 'NEEDED.*lib(ssl|crypto)'; then
  echo "the wheel needs a shared OpenSSL" >&2
  exit 1
fi
if nm -D --defined-only "$library" | grep -v -E ' (_ZNK?\w*6s3dlio|s3dlio_|S3DLIO_1)'; then
  echo "libs3dlio.so exports symbols that are not its own" >&2
  exit 1
fi

# torch comes with whoever runs the wheel: nothing of it lies inside, no library remembers where the build found it, and
# the ops take C symbols of it only (C++ symbols are libstdc++'s, which have versions, or the engine's).
ops=$folder/s3dlio_torch/_ops.so
libraries=$(cd "$folder" && find . -name '*.so*' | sed 's/_ext\.cpython.*/_ext.so/' | sort | xargs)
if [ "$libraries" != "./s3dlio_core/_ext.so ./s3dlio_core/lib/libs3dlio.so.1 ./s3dlio_torch/_ops.so" ]; then
  echo "the wheel should hold the engine, the Python door and the ops; it holds $libraries" >&2
  exit 1
fi
if readelf -d "$library" "$folder"/s3dlio_core/_ext*.so "$ops" | grep -E 'R(UN)?PATH' | grep -vE '\[\$ORIGIN/[^:]*\]'; then
  echo "a library of the wheel looks for others outside of it" >&2
  exit 1
fi
if nm -D --undefined-only "$ops" | grep ' _Z' | grep -vE '@(GLIBCXX|CXXABI)_|_ZNK?6s3dlio'; then
  echo "torch.ops.s3dlio needs C++ symbols that are not the engine's" >&2
  exit 1
fi

python3=${PYTHON:-python3}
"$python3" -m venv build/wheel-venv
build/wheel-venv/bin/python -m pip install --quiet --disable-pip-version-check "$wheel"
scripts=$PWD/scripts
python=$PWD/build/wheel-venv/bin
torch=$(grep '^torch==' requirements/demo.txt)
cd "$folder"
"$python/python" "$scripts/wheel_smoke.py"
"$python/s3dlio" --help >/dev/null
"$python/s3-cli" --help >/dev/null
"$python/python" -m pip install --quiet --disable-pip-version-check "$torch"
"$python/python" -W ignore "$scripts/wheel_smoke_torch.py"
echo "wheel ok: $wheel"

# As the README has it: from the sources, by plain pip, which builds apart from the environment; the ops must be there.
"$python/python" -m pip uninstall --quiet --yes s3dlio-torch
"$python/python" -m pip install --quiet --disable-pip-version-check "$scripts/.."
"$python/python" -W ignore "$scripts/wheel_smoke_torch.py"
echo "pip install . ok"
