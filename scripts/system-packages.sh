#!/usr/bin/env bash
# Makes sure the system packages for a task are there: build, test or bench.
# As root on a Debian-like system it installs what is missing; otherwise it names what to install and fails.
set -euo pipefail

task=${1:?usage: system-packages.sh build|test|bench}
missing=()

need() {  # need PACKAGE COMMAND...: PACKAGE is missing when COMMAND fails
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}
has_header() { echo "#include <$1>" | "${CXX:-g++}" -x c++ -E - -o /dev/null; }
has_static_openssl() { [ "$("${CXX:-g++}" -print-file-name=libssl.a)" != libssl.a ]; }
has_python_headers() {
  "${PYTHON:-python3}" -c 'import os, sysconfig; assert os.path.exists(sysconfig.get_path("include") + "/Python.h")'
}
has_clang_runtime() { [ -e "$(clang++ -print-file-name=libclang_rt.fuzzer-"$(uname -m)".a)" ]; }

need g++ command -v "${CXX:-g++}"
need make command -v make
need libssl-dev has_header openssl/ssl.h
need libssl-dev has_static_openssl
need python3-dev has_python_headers
need python3-venv "${PYTHON:-python3}" -c 'import ensurepip, venv'
if [ "$task" != build ]; then
  need git command -v git
  need doctest-dev has_header doctest/doctest.h
  need clang command -v clang++
fi
if [ "$task" = bench ]; then
  need nginx command -v nginx
  need fio command -v fio
  need strace command -v strace
fi

install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }
give_up() {
  echo "Missing system packages: $*" >&2
  echo "Install them and run this again, e.g.: sudo apt-get install $*" >&2
  exit 1
}

if [ ${#missing[@]} -gt 0 ]; then
  mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
  can_install || give_up "${missing[@]}"
  echo "Installing system packages: ${missing[*]}"
  install "${missing[@]}"
fi

# The fuzzers and clang's sanitizers live in a package that carries clang's version in its name.
if [ "$task" != build ] && ! has_clang_runtime; then
  major=$(clang++ -dumpversion | cut -d. -f1)
  can_install || give_up "libclang-rt-$major-dev"
  install "libclang-rt-$major-dev"
fi
