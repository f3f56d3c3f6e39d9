#!/usr/bin/env bash
# Runs the tests of s3dlio_torch with another torch than the pinned one: the oldest that is supported, or the one that is
# named. They run against the wheel in dist/, which was built with the pinned one, in an environment below build/.
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1:-$(sed -n 's/^torch = \["torch>=\(.*\)"\]$/\1.0/p' pyproject.toml)}
shift $(($# > 0))
wheel=$(ls dist/*.whl)
folder=build/torch-$version
[ -x "$folder/bin/python" ] || "${PYTHON:-python3}" -m venv "$folder"
install() { "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }

if [ ! -e "$folder/.done" ]; then
  install "torch==$version"
  echo "torch==$version" >"$folder/constraint.txt"
  grep -hvE '^(torch==|-r |tensorflow)' requirements/demo.txt requirements/test.txt >"$folder/requirements.txt"
  install -c "$folder/constraint.txt" -r "$folder/requirements.txt"
  touch "$folder/.done"
fi
install "$wheel"
install --force-reinstall --no-deps "$wheel"

# A copy without the package's sources, so that the tests import what the wheel installed.
rm -rf "$folder/tree"
mkdir "$folder/tree"
cp -r tests examples benchmarks pyproject.toml requirements scripts "$folder/tree"
cd "$folder/tree"
../bin/python -W ignore scripts/wheel_smoke_torch.py
if [ $# = 0 ]; then set -- tests/torch; fi
exec ../bin/python -P -m pytest -p no:cacheprovider "$@"
