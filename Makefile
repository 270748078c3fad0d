# backupcheck: `make` alone prints this help
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NAME ?= mealie
FUZZ_SECONDS ?= 60

# program:package, for Debian
DRILL_PROGRAMS := lxc-start:lxc newuidmap:uidmap ip:iproute2 mmdebstrap:mmdebstrap restic:restic rsync:rsync \
	ssh:openssh-client bwrap:bubblewrap setpriv:util-linux
TEST_PROGRAMS := $(DRILL_PROGRAMS) sshd:openssh-server sqlite3:sqlite3 chromium:chromium node:nodejs npm:npm git:git \
	rclone:rclone faketime:faketime

.PHONY: help restore-drill test faults faults-all check format docs demo bench lab-up lab-down lab-shell lab-status clean \
	system-drill system-test fuzz mutation

help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

restore-drill: $(VENV)/.installed system-drill ## Pull, back up and drill the lab's seven services; SITE=/path/site.yaml drills yours
ifdef SITE
	@$(BIN)/backupcheck drill --fresh --site "$(SITE)"
else
	@reason="$$($(BIN)/python -c 'from backupcheck.lxc import why_not; print(why_not() or "")')"; \
	if [ -n "$$reason" ]; then \
		echo "No lab of containers here: $$reason The embedded demonstration site is drilled instead."; \
		exec $(BIN)/backupcheck demo --not-exercised "the lab of seven LXC containers was not drilled: $$reason"; \
	fi; \
	$(BIN)/python -m tests.lab up && \
	$(BIN)/python -m tests.lab exec-host $(CURDIR)/$(BIN)/backupcheck nightly --init --site $(CURDIR)/tests/lab/site.yaml
endif

# no test may hang the run: the bound is by far more than the longest takes on a slow machine
test: $(VENV)/.installed system-test ## Run all tests, the lab of containers included
	@$(BIN)/python -m pytest --timeout 900 -o console_output_style=times --durations 40 tests

faults: $(VENV)/.installed system-test ## The corpus of faults: what is caught, named and missed; LAYER=sqlite for one layer
	@FAULTS_LAYER="$(LAYER)" $(BIN)/python -m pytest -q tests/faults/test_corpus.py tests/faults/test_pairs.py \
		tests/faults/test_sweeps.py

faults-all: $(VENV)/.installed system-test ## The same, with every sweep whole (hours)
	@FAULTS=all FAULTS_LAYER="$(LAYER)" $(BIN)/python -m pytest -q tests/faults

check: $(VENV)/.installed ## Format, lint, types, layers and documents, as CI checks them
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py tests/test_every_kind.py
	$(BIN)/python -m backupcheck.manual check docs
	$(BIN)/backupcheck validate --site specs/site.yaml
	$(BIN)/backupcheck validate --site tests/lab/site.yaml
	cd ansible && PATH="$(CURDIR)/$(BIN):$$PATH" ansible-lint -q --offline --profile production

fuzz: $(VENV)/.measure ## Feed the readers what nobody wrote: many examples, then FUZZ_SECONDS=60 of atheris
	@HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -q tests/fuzz tests/test_matchers.py tests/test_result.py
	@mkdir -p .cache/fuzz/found
	@$(BIN)/python -m tests.fuzz.couch_reader .cache/fuzz/corpus -artifact_prefix=.cache/fuzz/found/ \
		-max_total_time=$(FUZZ_SECONDS)

mutation: $(VENV)/.measure ## Which small change of the matchers, outcomes and couchfile/ does no test notice? (hours)
	@$(BIN)/python -m tests.mutation $(NAMES)

bench: $(VENV)/.installed system-test ## Measure: ratios in one run, kept in .bench/; NAMES="drill scale" for some, BENCH_SCALE=0.1 for a try
	@$(BIN)/python -m tests.bench $(NAMES)

format: $(VENV)/.installed ## Format the code and mend what can be mended by itself
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

docs: $(VENV)/.installed ## Write the generated documents: schemas and the manual of all kinds
	$(BIN)/python -m backupcheck.manual write docs

demo: $(VENV)/.installed ## The embedded demonstration: no root, no containers
	@$(BIN)/backupcheck demo

lab-up: $(VENV)/.installed system-drill ## Bring up the lab of seven service containers
	@$(BIN)/python -m tests.lab up

lab-down: $(VENV)/.installed ## Remove the lab's containers and network; its mirror and reports stay in .lab/
	@$(BIN)/python -m tests.lab down

lab-shell: $(VENV)/.installed ## A shell in a container of the lab: make lab-shell NAME=mealie
	@$(BIN)/python -m tests.lab shell $(NAME)

lab-status: $(VENV)/.installed ## Which of the lab's containers run
	@$(BIN)/python -m tests.lab status

clean: ## Remove the virtual environment and caches (not the lab: see lab-down)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache

$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		[ "$$(id -u)" = 0 ] && apt-get -qq update && \
		apt-get -qq install -y --no-install-recommends python3-venv >/dev/null; }
	@$(PYTHON) -m venv $(VENV)
	@echo "Installing backupcheck into $(VENV) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

$(VENV)/.measure: $(VENV)/.installed
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[measure]'
	@touch $@

# What is missing is installed where this is root on Debian; elsewhere the programs say what they miss
define install_missing
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		missing=""; \
		for pair in $(1); do \
			PATH="$$PATH:/usr/sbin:/sbin" command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair##*:}"; \
		done; \
		if [ -n "$$missing" ]; then \
			echo "Installing Debian packages:$$missing …"; \
			export DEBIAN_FRONTEND=noninteractive; \
			apt-get -o DPkg::Lock::Timeout=300 -qq update && \
			apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends $$missing >/dev/null; \
		fi; \
	fi
endef

system-drill:
	$(call install_missing,$(DRILL_PROGRAMS))

system-test:
	$(call install_missing,$(TEST_PROGRAMS))
