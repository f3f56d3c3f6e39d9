#!/usr/bin/env bash
# Makes .venv hold what a task needs: demo, test or check (each adds to what is there). Does nothing when that was done before.
set -euo pipefail
cd "$(dirname "$0")/.."

task=${1:?usage: venv.sh demo|test|check}
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "Python 3.11 or newer is needed; $python is $("$python" --version). Set PYTHON=/path/to/python3.11" >&2
  exit 1
}
requirements=requirements/$task.txt
stamp=.venv/.done-$task
if [ -e "$stamp" ] && cmp -s "$requirements" "$stamp"; then exit 0; fi

[ -x .venv/bin/python ] || "$python" -m venv .venv
echo "Installing the Python packages of $requirements (once)"
# torch first and alone: everything later is then content with the build that is there.
.venv/bin/python -m pip install --quiet --disable-pip-version-check "$(grep '^torch==' requirements/demo.txt)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$requirements"
cp "$requirements" "$stamp"
