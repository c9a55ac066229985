# Everything that a checkout can do. Each step of the set-up runs once and again only when what it is made from changes.

PYTHON ?= python3
N ?= 20
BURNING ?= 0
PART ?=
LIVEKIT_VERSION := 1.13.5

BIN := .venv/bin
VENV := .venv/.ready
LIVEKIT := .callroom/bin/.livekit-server-$(LIVEKIT_VERSION)
WEB := web/node_modules/.ready
SETUP := $(VENV) $(LIVEKIT) $(WEB)

MAKEFLAGS += --jobs=4  # the steps of the set-up wait for different things

.PHONY: help demo up test packages check bench drills lock
.DELETE_ON_ERROR:

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(SETUP) ## one spoken call through the whole stack, then everything is stopped again
	@exec $(BIN)/python -m demo

up: $(SETUP) ## the whole stack in the foreground, until Ctrl-C
	@exec $(BIN)/python -m stack

test: packages $(SETUP) ## all tests, on real servers; as root it installs the Debian packages that they need
	@# Each of the processes would compile all tests anew, and so would each run, were no bytecode kept.
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses 4 --no-loadscope-reorder  # see tests/scheduling.py

packages:
	@tests/install-packages

check: $(VENV) ## format, lint, types and floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports

bench: $(SETUP) ## the measurements, as tables; those of conversations and joins as JSON in .callroom/bench too; fails if a goal is missed
	@exec $(BIN)/python -m bench --json .callroom/bench

drills: $(SETUP) ## what happens when parts break in the middle of calls, as tables; N=5 for fewer kills, BURNING=2 on a busy machine, PART=providers
	@exec $(BIN)/python -m drills --kills $(N) --burning $(BURNING) $(PART:%=--part %)

lock: $(VENV) ## pin the newest versions that pyproject.toml and web/package.json allow
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade --no-header --quiet -o requirements.lock
	cd web && npm update --package-lock-only --no-audit --no-fund

$(VENV): requirements.lock requirements-nodeps.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	@echo "Installing the Python packages into .venv"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-nodeps.txt
	@touch $@

$(LIVEKIT):
	@mkdir -p .callroom/bin
	@if livekit-server --version 2>/dev/null | grep -qF '$(LIVEKIT_VERSION)'; then \
		cp "$$(command -v livekit-server)" .callroom/bin/livekit-server; \
	elif command -v go >/dev/null; then \
		echo "Building livekit-server $(LIVEKIT_VERSION) into .callroom/bin: some minutes, once"; \
		GOBIN="$$PWD/.callroom/bin" go install github.com/livekit/livekit-server/cmd/server@v$(LIVEKIT_VERSION) && \
		mv .callroom/bin/server .callroom/bin/livekit-server; \
	else \
		echo "livekit-server $(LIVEKIT_VERSION) on the PATH, or Go 1.26+ to build it, is needed" >&2; exit 1; \
	fi
	@touch $@

$(WEB): web/package.json web/package-lock.json
	@echo "Installing the page's packages into web/node_modules"
	@cd web && npm ci --silent --no-audit --no-fund && npm run --silent compress
	@touch $@
