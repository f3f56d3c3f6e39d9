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

# What does not go with the other packages lies apart, for the tests that put it before them: s3fs needs an older botocore
# than boto3 and moto. litdata asks for a torchvision of another torch, which it needs for pictures only.
apart() {  # apart NAME [pip's options]
  local requirements=requirements/$1.txt folder=.venv/$1
  cmp -s "$requirements" "$folder/.done" && return 0
  echo "Installing the Python packages of $requirements (once)"
  rm -rf "$folder"
  install --no-warn-conflicts "${@:2}" --target "$folder" -r "$requirements"
  cp "$requirements" "$folder/.done"
}
if [ "$task" = test ]; then
  apart s3fs
  apart litdata --no-deps
fi
