# Every task sets up what it needs: system packages (by apt when root, named otherwise), .venv, the build.
#   make demo    train a small model from a real S3 server      make demo URI=file:///tmp/demo | direct:///tmp/demo
#   make test    C++ tests, sanitizers, fuzzers, Python tests   make check   formatters, linters, types, warnings as errors
#   make bench   benchmarks against peers -> docs/performance.md
#   make docs    the documentation's site -> build/docs-site/index.html; every name and link checked
#   make wheel   a wheel with OpenSSL inside, tried in a clean environment without torch and with it
#   make test-torch   the wheel's tests with the oldest torch that is supported (several GB where there is no CPU build)   TORCH=2.11.0
#   make fuzz    the fuzzers for FUZZ_SECONDS each (600)
#   make mutations   takes the handling of faults out, piece by piece: does a test fail for it? (long; not part of test)
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: build demo check format lint test test-cpp test-sanitizers test-fuzz test-python test-torch mutations bench wheel fuzz docs clean

URI ?=
FUZZ_SECONDS ?= 600
MUTATIONS ?=
TORCH ?=
PY := .venv/bin/python
JOBS ?= $(shell nproc)

build:
	@scripts/system-packages.sh build
	@scripts/venv.sh demo
	@scripts/build.sh

demo: build
	@$(PY) examples/demo.py $(if $(URI),--uri $(URI))

# ---- checks ----
check: setup-test
	@scripts/venv.sh check
	@scripts/build.sh
	scripts/check.sh

setup-test:
	@scripts/system-packages.sh test
	@scripts/venv.sh test

# ---- tests ----
test: setup-test test-cpp test-sanitizers test-fuzz test-python
	@echo "All tests passed."

test-cpp: setup-test
	scripts/cpp-tests.sh release

test-sanitizers: setup-test
	scripts/cpp-tests.sh address,undefined
	scripts/cpp-tests.sh thread

test-fuzz: setup-test
	scripts/fuzz.sh 10

test-python: setup-test
	@scripts/build.sh
	$(PY) -m pytest

fuzz: setup-test
	scripts/fuzz.sh $(FUZZ_SECONDS)

mutations: setup-test
	$(PY) scripts/mutations.py $(MUTATIONS)

# ---- the rest ----
bench: setup-test
	@scripts/system-packages.sh bench
	@scripts/build.sh
	$(PY) -m benchmarks $(BENCH_ARGS)

wheel: setup-test
	scripts/wheel.sh

test-torch: wheel
	scripts/torch-tests.sh $(TORCH)

docs:
	@scripts/system-packages.sh build
	@scripts/venv.sh docs
	@scripts/build.sh
	scripts/docs.sh

clean:
	rm -rf build dist .venv
