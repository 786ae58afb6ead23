# SPDX-License-Identifier: LGPL-2.1-or-later
# Needs only python3 (3.11+, with venv) and make; every target sets up what else it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test vm-test vm-kernel rfc-experiment lint docs notebooks bench vm-bench pictures vendor consumers fuzz clean help

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(READY): pyproject.toml hatch_build.py spo_trace/version.py $(wildcard spo_trace/native/*.[ch])
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("spo-trace needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(READY) ## the main job, without root: simulate, snapshot, report, diff; then real kernel captures
	$(BIN)/spo-trace demo

test: $(READY) ## all tests that need no root and no virtual machine
	$(BIN)/pytest -n auto --dist loadgroup

vm-test: $(READY) ## tests on real kernels in QEMU, without root; needs the kernels of SPO_TRACE_KERNELS or vm-kernel
	$(BIN)/pytest -m vm -rs -n auto -o tmp_path_retention_policy=failed tests/vm

vm-kernel: ## build the kernels for vm-test from Debian's linux-source into ~/.cache/spo-trace
	tests/vm/kernel/build.sh

rfc-experiment: $(READY) ## the RFC cover letter's experiment on a stock and a patched kernel, into docs/rfc-experiment.md
	$(BIN)/python -m tests.vm.rfc_experiment docs/rfc-experiment.md

lint: $(READY) ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(READY) ## docs/commands.md from the help texts of all commands, docs/keys.md from the table of keys
	$(BIN)/python -m tests.docs.reference > docs/commands.md
	$(BIN)/python -m tests.docs.keys > docs/keys.md

notebooks: $(READY) ## run the notebooks, and keep what they print and draw
	$(BIN)/python -m tests.docs.notebooks

bench: $(READY) ## spo-trace against page_owner_sort on a large text (BENCH_RECORDS, default 1000000)
	$(BIN)/python -m tests.bench.bench --markdown bench.md

pictures: $(READY) ## take the README's pictures anew; needs chromium and chromedriver
	$(BIN)/python -m tests.pictures
	$(BIN)/python -m tests.docs.pictures

vendor: ## fetch the libraries of the HTML pages anew, from npm
	$(PYTHON) -m tests.vendor

consumers: ## fetch programs that read the exports, for the tests: speedscope, a decoder of pprof
	npm install --silent --no-audit --no-fund --prefix .consumers speedscope@1.25.0 pprof-format@2

vm-bench: $(READY) ## live collection against `cat page_owner` in a guest, into docs/live-speed.md
	$(BIN)/python -m tests.vm.bench docs/live-speed.md

fuzz: $(READY) ## a minute of damaged text: do both parsers say the same?
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	$(BIN)/python tests/fuzz/fuzz_page_owner.py --seconds 60

clean: ## remove what the targets above made
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
