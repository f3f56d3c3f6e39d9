#!/usr/bin/env bash
# Builds the wheel, shows what it asks of a system, and tries it in a clean virtual environment outside the checkout.
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
library=$folder/s3dlio_core/lib/libs3dlio.so
if readelf -d "$library" "$folder"/s3dlio_core/_ext*.so | grep -E 'NEEDED.*lib(ssl|crypto)'; then
  echo "the wheel needs a shared OpenSSL" >&2
  exit 1
fi
if nm -D --defined-only "$library" | grep -v -E ' (_ZN|_ZNK|_ZT[ISV]N?|_ZT[ISV])\w*6s3dlio'; then
  echo "libs3dlio.so exports symbols that are not its own" >&2
  exit 1
fi

python3=${PYTHON:-python3}
"$python3" -m venv build/wheel-venv
build/wheel-venv/bin/python -m pip install --quiet --disable-pip-version-check "$wheel"
smoke=$PWD/scripts/wheel_smoke.py
python=$PWD/build/wheel-venv/bin
cd "$folder"
"$python/python" "$smoke"
"$python/s3dlio" --help >/dev/null
"$python/s3-cli" --help >/dev/null
echo "wheel ok: $wheel"
