# `make run` and `make test` work on a fresh machine with Python 3.11 or newer; each installs what it needs.
PYTHON ?= python3
BIN := .venv/bin
export PORT

.PHONY: run install test coverage bench lint assets lock

run: install
	$(BIN)/gatehouse up --demo

install: .venv/installed assets

# The locks are complete, so nothing is left to resolve: an older pip would look for newer versions of what has extras.
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

.venv/installed-dev: requirements-dev.lock .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement requirements-dev.lock
	$(BIN)/pip check --disable-pip-version-check
	touch $@

assets: app/static/editor.js

app/static/editor.js: $(wildcard app/editor/src/*.js) app/editor/package-lock.json app/editor/build.sh
	sh app/editor/build.sh

test: install .venv/installed-dev
	sh tests/install_servers.sh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# The same tests, slower, with the branches of services that they reach.
coverage: install .venv/installed-dev
	sh tests/install_servers.sh
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov=services --cov-branch --cov-report=term-missing:skip-covered

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install .venv/installed-dev
	for file in tests/bench/bench_*.py; do $(BIN)/python -m tests.bench.$$(basename $$file .py) || exit 1; done

# The lock names exact versions and hashes and no index: it installs the same set from wherever pip is told to look.
lock:
	$(PYTHON) -m venv .venv/lock && .venv/lock/bin/pip install --quiet uv
	.venv/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header pyproject.toml -o requirements.lock
	.venv/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
