# SPDX-License-Identifier: LGPL-2.1-or-later
# Needs make and python3 (3.11 or newer, with venv); each target installs what else it needs, into .venv.
PYTHON ?= python3
PREFIX ?= /usr/local
VENV := .venv
BIN := $(VENV)/bin
VERSIONS := .venv-versions
# A stamp for spo-trace with what it needs to run, and one for each extra of pyproject.toml. A failed pip leaves none.
READY := $(VENV)/.ready
TEST := $(VENV)/.extra-test
DEV := $(VENV)/.extra-dev
FUZZ := $(VENV)/.extra-fuzz
NOTEBOOKS := $(VENV)/.extra-notebooks
# On a terminal pip shows its progress, elsewhere its errors alone.
PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check $$([ -t 1 ] || echo --quiet)
NO_PACKAGES = echo "spo-trace: error: pip failed; is the network reachable? The same command starts again" >&2; exit 1

export PREFIX PYTHON PIP_ARGS

.PHONY: help demo install uninstall test test-versions lint docs notebooks pictures bench fuzz consumers vendor \
	test-lowest test-highest vm-test vm-kernel vm-userland vm-bench rfc-experiment clean

help: ## list the targets
	@echo "Start with 'make demo': it needs no root. Each target installs what it needs; README.md says what that takes."
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' \
		$(MAKEFILE_LIST)

$(READY): pyproject.toml hatch_build.py spo_trace/version.py $(wildcard spo_trace/native/*.[ch])
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("spo-trace needs Python 3.11 or newer: make PYTHON=python3.11")'
	@echo "Installing spo-trace and what it needs to run into $(VENV) (370 MB; pip fetches 90 MB the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) --editable . || { $(NO_PACKAGES); }
	@touch $@

$(TEST): WHAT := the test tools (400 MB)
$(DEV): WHAT := the developer tools (500 MB)
$(FUZZ): WHAT := the fuzzer and the test tools (500 MB)
$(NOTEBOOKS): WHAT := the tools that run notebooks (300 MB)

$(TEST) $(DEV) $(FUZZ) $(NOTEBOOKS): $(VENV)/.extra-%: $(READY)
	@echo "Installing $(WHAT) into $(VENV); what is there already is kept"
	@$(PIP_INSTALL) --editable '.[$*]' || { $(NO_PACKAGES); }
	@touch $@

##@ Use it
demo: $(READY) ## the main job, without root: simulate, snapshot, report, diff; then captures of real kernels
	@$(BIN)/spo-trace demo

install: ## install for all users: an environment in /opt/spo-trace, a link in /usr/local/bin (sudo; PREFIX=DIR)
	@contrib/install.sh install

uninstall: ## undo 'make install' (sudo; the same PREFIX=DIR)
	@contrib/install.sh uninstall

##@ Work on it
test: $(TEST) ## all tests that need no root and no virtual machine
	$(BIN)/pytest -n auto --dist loadgroup

test-versions: test-lowest test-highest ## all tests with the lowest and with the highest versions that pyproject.toml allows

test-lowest: RESOLUTION := lowest-direct
test-highest: RESOLUTION := highest
test-lowest test-highest: test-%: $(VERSIONS)/bin/uv
	@echo "Installing the $* versions of what spo-trace needs to run into $(VERSIONS)/$* (700 MB)"
	@$< pip compile --quiet --no-header --python $(VERSIONS)/bin/python --resolution $(RESOLUTION) \
		--output-file $(VERSIONS)/$*.txt pyproject.toml
	@$< venv --quiet --clear --python $(VERSIONS)/bin/python $(VERSIONS)/$*
	@$< pip install --quiet --python $(VERSIONS)/$*/bin/python --constraints $(VERSIONS)/$*.txt --editable '.[test]'
	$(VERSIONS)/$*/bin/pytest -n auto --dist loadgroup

$(VERSIONS)/bin/uv:
	@$(PYTHON) -m venv $(VERSIONS)
	@$(VERSIONS)/bin/python -m pip install --quiet --disable-pip-version-check uv

lint: $(DEV) ## ruff, mypy --strict and the layers of imports (.importlinter)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(READY) ## write docs/commands.md from the help texts, docs/keys.md from the table of keys
	$(BIN)/python -m tests.docs.reference > docs/commands.md
	$(BIN)/python -m tests.docs.keys > docs/keys.md

notebooks: $(NOTEBOOKS) ## run the notebooks, and keep what they print and draw
	$(BIN)/python -m tests.docs.notebooks

pictures: $(TEST) ## take the README's pictures again; needs chromium and chromedriver
	$(BIN)/python -m tests.pictures
	$(BIN)/python -m tests.docs.pictures

bench: $(READY) ## measure against page_owner_sort on a large text (BENCH_RECORDS, by default 1000000)
	$(BIN)/python -m tests.bench.bench --markdown bench.md

fuzz: $(FUZZ) ## a minute of damaged text: do both parsers give the same?
	$(BIN)/python tests/fuzz/fuzz_page_owner.py --seconds 60

consumers: ## fetch programs that read the exports, for the tests: speedscope, a decoder of pprof; needs npm
	npm install --silent --no-audit --no-fund --prefix .consumers speedscope@1.25.0 pprof-format@2

vendor: ## fetch the libraries of the HTML pages again; needs npm
	$(PYTHON) -m tests.vendor

##@ On real kernels, in QEMU, without root
vm-test: $(TEST) ## the tests on real kernels; needs the kernels of SPO_TRACE_KERNELS or vm-kernel
	$(BIN)/pytest -m vm -rs -n auto -o tmp_path_retention_policy=failed tests/vm

vm-kernel: ## build the kernels for vm-test from Debian's linux-source into ~/.cache/spo-trace
	tests/vm/kernel/build.sh

vm-userland: $(READY) ## get the user spaces of Debian 13 and sid for vm-test (SUITES=trixie: one); needs mmdebstrap
	PYTHON=$(BIN)/python tests/vm/userland/build.sh $(SUITES)

vm-bench: $(READY) ## live collection against `cat page_owner` in a guest, into docs/live-speed.md
	$(BIN)/python -m tests.vm.bench docs/live-speed.md

rfc-experiment: $(READY) ## the RFC cover letter's experiment on a stock and a patched kernel, into docs/rfc-experiment.md
	$(BIN)/python -m tests.vm.rfc_experiment docs/rfc-experiment.md

##@ Clean up
clean: ## remove what these targets made, but for 'make install' and docs
	rm -rf $(VENV) $(VERSIONS) .consumers .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist bench.md
