#!/usr/bin/env bash
# Makes .venv hold what a task needs: demo, test, check or docs (each adds to what is there). Does nothing when that was done before.
set -euo pipefail
cd "$(dirname "$0")/.."

task=${1:?usage: venv.sh demo|test|check|docs}
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "Python 3.11 or newer is needed; $python is $("$python" --version). Set PYTHON=/path/to/python3.11" >&2
  exit 1
}
requirements=requirements/$task.txt
stamp=.venv/.done-$task
install() { .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"; }

if ! cmp -s "$requirements" "$stamp"; then
  [ -x .venv/bin/python ] || "$python" -m venv .venv
  echo "Installing the Python packages of $requirements (once)"
  # torch first and alone: everything later is then content with the build that is there.
  install "$(grep '^torch==' requirements/demo.txt)"
  install -r "$requirements"
  cp "$requirements" "$stamp"
fi

# s3fs needs an older botocore than boto3 and moto: it lies apart, for the test that puts it before the others.
apart=requirements/s3fs.txt
if [ "$task" = test ] && ! cmp -s "$apart" .venv/s3fs/.done; then
  echo "Installing the Python packages of $apart (once)"
  rm -rf .venv/s3fs
  install --no-warn-conflicts --target .venv/s3fs -r "$apart"
  cp "$apart" .venv/s3fs/.done
fi
