# Every target but gpu sets up what it needs: a virtual environment in .venv with the versions of constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: setup demo docs test test-cluster test-browser check bench gpu clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps Resemblyzer  # for its weights alone
	touch $(READY)

demo: setup  ## synthesise a small dataset, evaluate the bundled M2D, the same untrained, and log-mel statistics on it
	$(BIN)/evar demo

docs: build/demo/layers/leaderboard.csv  ## the documentation's site, into build/site, warnings are errors; its notebooks run
	$(BIN)/python -m pytest tests/notebooks
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --fresh-env --write-all docs build/site

build/demo/layers/leaderboard.csv: $(READY)  # what the site's pictures show
	OMP_NUM_THREADS=1 $(BIN)/evar demo --folder build/demo
	OMP_NUM_THREADS=1 $(BIN)/evar --task demo --encoder "m2d(layers='each')" --data build/demo/data \
	    --cache build/demo/cache --results build/demo/layers

test: setup  ## the whole test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal  # more threads a process only wait

test-cluster: setup  ## sweeps on several nodes of Ray, some of them killed, on this machine
	$(BIN)/python -m pytest tests/cluster

test-browser: .venv/browser  ## the leaderboard's page in a headless Chromium (Debian: apt install chromium chromium-driver; npm)
	$(BIN)/python -m pytest tests/browser

.venv/browser: $(READY) tests/browser/package-lock.json
	$(BIN)/python -m pip install --quiet --constraint constraints.txt selenium
	cd tests/browser && npm ci --ignore-scripts --no-audit --no-fund --loglevel error || echo "no axe-core: its test is skipped"
	touch $@

check: setup  ## style, types, import direction, published schemas of what GitHub reads
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_imports.py
	.ci/schemas

bench: setup  ## throughput, probe time, memory
	$(BIN)/python -m benchmarks

# The environment of this folder where there is one and no other interpreter is named
OWN := $(if $(filter file,$(origin PYTHON)),$(firstword $(wildcard $(BIN)/python) $(PYTHON)),$(PYTHON))

gpu:  ## everything that wants a GPU measured and checked, by PYTHON as it is; QUICK=1: tiny shapes, on a CPU too
	$(OWN) -m benchmarks.gpu $(strip $(if $(QUICK),--quick) $(if $(WHEELS),--wheels $(WHEELS)) \
	$(if $(OUT),--out $(OUT)) $(if $(ONLY),--only $(ONLY)) $(if $(COMMIT),--commit $(COMMIT)))

clean:
	rm -rf .venv build dist *.egg-info
