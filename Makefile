# SPDX-License-Identifier: LGPL-2.1-or-later
# Needs make and python3 (3.11 or newer, with venv). Each target installs everything else that it needs into .venv.
PYTHON ?= python3
PREFIX ?= /usr/local
VENV := .venv
BIN := $(VENV)/bin
VERSIONS := .venv-versions
# One stamp for spo-trace and its dependencies, and one for each extra of pyproject.toml. A failed pip leaves no stamp.
READY := $(VENV)/.ready
TEST := $(VENV)/.extra-test
DEV := $(VENV)/.extra-dev
FUZZ := $(VENV)/.extra-fuzz
NOTEBOOKS := $(VENV)/.extra-notebooks
SPARK := $(VENV)/.extra-spark
# pip shows its progress on a terminal, and only errors elsewhere.
PIP_INSTALL = $(BIN)/python -m pip install --disable-pip-version-check $$([ -t 1 ] || echo --quiet)
NO_PACKAGES = echo "spo-trace: error: pip failed; is the network reachable? Run the same command to try again" >&2; exit 1

export PREFIX PYTHON PIP_ARGS

.PHONY: help demo install uninstall test test-versions test-spark lint docs notebooks pictures bench bench-fleet fuzz \
	consumers vendor cross-wheel test-lowest test-highest vm-test vm-kernel vm-userland vm-fresh platforms vm-bench \
	rfc-experiment meaning-check clean

help: ## list the targets
	@echo "Start with 'make demo', which needs no root. Each target installs what it needs; CONTRIBUTING.md lists the sizes."
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' \
		$(MAKEFILE_LIST)

$(READY): pyproject.toml hatch_build.py spo_trace/version.py $(wildcard spo_trace/native/*.[ch] spo_trace/native/collect/*.[ch] bpf/*.[ch])
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("spo-trace needs Python 3.11 or newer: make PYTHON=python3.11")'
	@echo "Installing spo-trace and its dependencies into $(VENV) (390 MB; pip downloads 90 MB the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) --editable . || { $(NO_PACKAGES); }
	@touch $@

$(TEST): WHAT := the test tools (500 MB)
$(DEV): WHAT := the developer tools (620 MB)
$(FUZZ): WHAT := the fuzzer and the test tools (630 MB)
$(NOTEBOOKS): WHAT := the tools that run notebooks (190 MB)
$(SPARK): WHAT := PySpark (490 MB)

$(TEST) $(DEV) $(FUZZ) $(NOTEBOOKS) $(SPARK): $(VENV)/.extra-%: $(READY)
	@echo "Installing $(WHAT) into $(VENV)"
	@$(PIP_INSTALL) --editable '.[$*]' || { $(NO_PACKAGES); }
	@touch $@

##@ Use it
demo: $(READY) ## simulate, snapshot, report, diff and verify, without root; then the same for captures of real kernels
	@$(BIN)/spo-trace demo

install: ## install for all users: an environment in /opt/spo-trace and a link in /usr/local/bin (sudo; PREFIX=DIR)
	@contrib/install.sh install

uninstall: ## remove what 'make install' installed (sudo; the same PREFIX=DIR)
	@contrib/install.sh uninstall

##@ Work on it
test: $(TEST) ## all tests that need neither root nor a virtual machine
	$(BIN)/pytest -n auto --dist loadgroup

test-versions: test-lowest test-highest ## all tests with the lowest and the highest versions of the dependencies that pyproject.toml allows

test-lowest: RESOLUTION := lowest-direct
test-highest: RESOLUTION := highest
test-lowest test-highest: test-%: $(VERSIONS)/bin/uv
	@echo "Installing the $* versions of the dependencies into $(VERSIONS)/$* (700 MB)"
	@$< pip compile --quiet --no-header --python $(VERSIONS)/bin/python --resolution $(RESOLUTION) \
		--output-file $(VERSIONS)/$*.txt pyproject.toml
	@$< venv --quiet --clear --python $(VERSIONS)/bin/python $(VERSIONS)/$*
	@$< pip install --quiet --python $(VERSIONS)/$*/bin/python --constraints $(VERSIONS)/$*.txt --editable '.[test]'
	$(VERSIONS)/$*/bin/pytest -n auto --dist loadgroup

$(VERSIONS)/bin/uv:
	@$(PYTHON) -m venv $(VERSIONS)
	@$(VERSIONS)/bin/python -m pip install --quiet --disable-pip-version-check uv

test-spark: $(TEST) $(SPARK) ## compare the answers of Spark and DuckDB for a fleet; needs Java 17 or newer, else the tests skip
	$(BIN)/pytest -m spark -rs tests/integration/test_spark.py

lint: $(DEV) ## ruff, mypy --strict, the layers of imports (.importlinter), and checkpatch for the C files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	tests/lint/checkpatch.sh spo_trace/native/*.[ch] spo_trace/native/collect/*.[ch] bpf/*.c tests/unit/native/*.[ch]
	tests/lint/untracked.sh

docs: $(READY) ## generate docs/commands.md from the help texts, docs/keys.md and docs/explain.md from tables
	$(BIN)/python -m tests.docs.reference > docs/commands.md
	$(BIN)/python -m tests.docs.keys > docs/keys.md
	$(BIN)/python -m tests.docs.explain > docs/explain.md

notebooks: $(NOTEBOOKS) ## run the notebooks and update their output
	$(BIN)/python -m tests.docs.notebooks

pictures: $(TEST) ## update the pictures of the documents; needs chromium and chromedriver
	$(BIN)/python -m tests.pictures
	$(BIN)/python -m tests.docs.pictures

bench: $(READY) ## compare with page_owner_sort on a large text (BENCH_RECORDS records, by default 1000000)
	$(BIN)/python -m tests.bench.bench --markdown bench.md

bench-fleet: $(TEST) ## measure fleet on made-up hosts (BENCH_HOSTS, by default 1000), and compare its answers with the truth
	$(BIN)/python -m tests.bench.fleet

fuzz: $(FUZZ) ## one minute each of damaged text, captures, dumps, snapshots and recordings: right answers or one error
	for fuzzer in tests/fuzz/fuzz_*.py; do $(BIN)/python $$fuzzer --seconds 60 || exit 1; done

cross-wheel: $(TEST) ## build the wheel for aarch64 with a cross compiler, and run it and some of its tests under qemu-user
	PYTHON=$(CURDIR)/$(BIN)/python tests/wheel/aarch64.sh

consumers: ## download the readers of exports that tests use: speedscope, a pprof decoder; needs npm
	npm install --silent --no-audit --no-fund --prefix .consumers speedscope@1.25.0 pprof-format@2

vendor: ## download the JavaScript libraries of the HTML reports again; needs npm
	$(PYTHON) -m tests.vendor

##@ On real kernels, in QEMU, without root
vm-test: $(TEST) ## tests on real kernels, from SPO_TRACE_KERNELS or built by vm-kernel (MARKS="vm and core": fewer guests)
	$(BIN)/pytest -m "$(or $(MARKS),vm)" -rs --durations=15 -n auto -o tmp_path_retention_policy=failed tests/vm

vm-kernel: ## build the kernels for vm-test from Debian's linux-source into ~/.cache/spo-trace
	tests/vm/kernel/build.sh

vm-userland: $(READY) ## download the user space of Debian 13 and sid for vm-test (SUITES=trixie, SUITES=arm64: one); needs mmdebstrap
	PYTHON=$(BIN)/python tests/vm/userland/build.sh $(SUITES)

vm-fresh: $(READY) ## fresh machines of Debian with spo-trace, installed as README says (SUITES="bookworm trixie sid"); as root
	PYTHON=$(BIN)/python tests/vm/userland/fresh.sh $(or $(SUITES),bookworm trixie sid)

platforms: $(READY) ## doctor, snapshot, trace and unit tests on fresh machines, several kernels, arm64; writes docs/platforms.md; as root
	PYTHON=$(BIN)/python tests/vm/userland/fresh.sh bookworm trixie sid
	PYTHON=$(BIN)/python tests/vm/userland/build.sh arm64
	$(BIN)/python -m tests.vm.platforms docs/platforms.json bookworm trixie sid arm64
	$(BIN)/python -m tests.docs.platforms > docs/platforms.md

vm-bench: $(READY) ## compare live snapshots with `cat page_owner` in a guest; writes docs/live-speed.md
	$(BIN)/python -m tests.vm.bench docs/live-speed.md

rfc-experiment: $(READY) ## the RFC's experiment on a stock and a patched kernel; writes docs/rfc-experiment.md
	$(BIN)/python -m tests.vm.rfc_experiment docs/rfc-experiment.md

meaning-check: $(READY) ## compare categories with the flags of pages on several kernels; writes docs/meaning-check.md
	$(BIN)/python -m tests.vm.meaning_check docs/meaning-check.md

##@ Clean up
clean: ## remove everything that these targets created, except 'make install' and docs
	rm -rf $(VENV) $(VERSIONS) .consumers .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist bench.md
