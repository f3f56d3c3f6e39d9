#!/usr/bin/env bash
# Builds the documentation's site in build/docs-site: warnings are errors, links and anchors between its pages are checked, and
# every public name of the packages must be there. Links to other hosts are not followed.
set -euo pipefail
cd "$(dirname "$0")/.."
site=build/docs-site

rm -rf "$site"
.venv/bin/python -m sphinx --builder html --fail-on-warning --keep-going --nitpicky --quiet --fresh-env \
  -d build/docs-trees docs "$site"
.venv/bin/python scripts/docs_check.py "$site"
