# Everything that people and machines do with this project. `make` alone explains itself.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
MINE := tests $(wildcard benchmarks) $(wildcard training)
BENCHMARKS := $(basename $(notdir $(shell grep -l __main__ benchmarks/*.py 2>/dev/null)))

# What the tests want from Debian: an RTSP server to be killed, a Redis and an IRC server too, a
# browser, and sound cards made of a file or a PulseAudio daemon (PyAudio is built against
# portaudio19-dev).
TEST_PACKAGES := gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base \
	gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly \
	gstreamer1.0-libav chromium redis-server ngircd \
	mosquitto openssl portaudio19-dev libasound2-plugins pulseaudio pulseaudio-utils

# Test modules at a time; each process takes up to 2 GB.
JOBS ?= $(shell cores=$$(getconf _NPROCESSORS_ONLN); echo $$((cores < 4 ? cores : 4)))

.DEFAULT_GOAL := help
.PHONY: help demo setup setup-test test lint types bench bench-full clean
.DELETE_ON_ERROR:

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.installed  ## Install what is missing and watch the bundled streams (ARGS="--headless")
	$(BIN)/streammon demo $(ARGS)

setup: $(VENV)/.installed-dev  ## Create .venv with everything for development

test: setup setup-test $(VENV)/.installed-microphone $(VENV)/.installed-synapse  ## Set up and run every test (ARGS="tests/unit -k channel")
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --cov --cov-report=term -rfEs $(ARGS)

lint: setup  ## Style, formatting, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: setup  ## mypy --strict on the package, the tests, the benchmarks and the training code
	$(BIN)/mypy -p streammon
	$(BIN)/mypy --explicit-package-bases $(MINE)

bench: setup  ## Each benchmark, quick (a minute or two each); figures in bench-out/
	@$(call run_benchmarks,--quick)

bench-full: setup  ## Each benchmark in full
	@$(call run_benchmarks,)

clean:  ## Remove what the other targets made
	rm -rf $(VENV) build dist *.egg-info bench-out .coverage .*_cache .hypothesis

# --- how ------------------------------------------------------------------------------------

$(BIN)/python:
	@for python in $(PYTHON) python3.11 python3 python3.12 python3.13 python3.14; do \
	    if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	        >/dev/null 2>&1; then \
	        echo "[1/3] creating $(VENV) with $$($$python --version)"; \
	        exec $$python -m venv $(VENV); \
	    fi; \
	done; \
	echo "streammon needs Python 3.11 or newer, with its venv module, and found none." >&2; \
	echo "Debian and Ubuntu: apt-get install python3 python3-venv" >&2; \
	echo "Installed elsewhere? make PYTHON=/path/to/python3.11 ..." >&2; \
	exit 1

# torch first: a bare requirement of another package would take the newest build.
$(VENV)/.torch: constraints.txt | $(BIN)/python
	@echo "[2/3] installing torch"
	$(PIP) install -c constraints.txt torch
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.torch
	@echo "[3/3] installing streammon"
	$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.torch
	@echo "[3/3] installing streammon with the development tools"
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.installed

# Built from source, so it is left out where its headers are missing: its tests are then skipped.
$(VENV)/.installed-microphone: $(VENV)/.installed-dev | setup-test
	@if [ ! -e /usr/include/portaudio.h ]; then exit 0; fi; \
	$(PIP) install -c constraints.txt -e '.[microphone]' && touch $@

# A Matrix homeserver, apart from what the project itself needs. Where it cannot be installed its
# tests are skipped, with this as the reason.
$(VENV)/.installed-synapse: tests/loopback/synapse.txt | $(BIN)/python
	@echo "installing Synapse for the tests of Matrix, in $(VENV)/synapse"
	@$(BIN)/python -m venv --clear $(VENV)/synapse \
	    && $(VENV)/synapse/bin/python -m pip --disable-pip-version-check install -q -r $< \
	    && touch $@ \
	    || { rm -rf $(VENV)/synapse; echo "Synapse cannot be installed: its tests are skipped"; }

setup-test:  ## The Debian packages that the tests need (installs them only when root)
	@command -v dpkg-query >/dev/null || { echo "not Debian: tests that need its packages are skipped"; exit 0; }; \
	missing=; \
	for package in $(TEST_PACKAGES); do \
	    dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' \
	        || missing="$$missing $$package"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	install="apt-get install -y --no-install-recommends$$missing"; \
	if [ "$$(id -u)" != 0 ]; then \
	    echo "some tests will be skipped; to run them, first: sudo $$install"; exit 0; \
	fi; \
	echo "installing for the tests:$$missing"; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get -q -o DPkg::Lock::Timeout=300 update && apt-get -q -o DPkg::Lock::Timeout=300 $${install#apt-get }

define run_benchmarks
	mkdir -p bench-out; failed=0; \
	for name in $(BENCHMARKS); do \
	    echo "== $$name $(1)"; \
	    $(BIN)/python -m benchmarks.$$name $(1) --json bench-out/$$name.json || failed=1; \
	done; \
	$(BIN)/python -c 'import json, sys; [print(path, name, value) for path in sys.argv[1:] for name, value in json.load(open(path))["figures"].items()]' \
	    $(BENCHMARKS:%=bench-out/%.json) && exit $$failed
endef
