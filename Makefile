# Everything works from a clone in a folder of any name, with Python 3.10 or newer, make and a package index.
# Scripts are run as "python -m", never by their name: their first line would break in a folder with spaces.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
TORCH := torch==2.13.0

.PHONY: help demo test test-fast test-lowest test-growth fuzz lint e2e e2e-short examples screenshots bench bench-quick clean
.DEFAULT_GOAL := demo

# This list.
help:
	@awk '/^# / { said = said substr($$0, 2) } /^[a-z0-9-]+:/ { split($$0, name, ":"); printf "make %-12s%s\n", name[1], said } !/^# / { said = "" }' Makefile

# A folder of pictures from the sandbox, with nothing to pay and nothing to set up.
demo: $(READY)
	$(PY) scripts/demo.py

# Half of the time that collecting the tests takes is the rewriting of their asserts: it is kept between two runs.
unexport PYTHONDONTWRITEBYTECODE

# All tests but e2e, on all cores. Whoever runs out of tests takes some from another: a long file holds up no end.
test: $(READY)
	$(PY) -m pytest -n auto --dist worksteal

# The tests without what is marked slow: under a minute on two cores. What takes 5 seconds is told: it wants the mark.
test-fast: $(READY)
	$(PY) -m pytest -n auto --dist worksteal -m "not slow" --durations=5 --durations-min=5

# Everything that strangers write, in ever other ways, for FUZZ_MINUTES in all; what is found is told with its value.
fuzz: $(READY)
	FUZZ_MINUTES=$${FUZZ_MINUTES:-10} $(PY) -m pytest tests/fuzz

# With the lowest versions that pyproject.toml allows, in an environment of its own; PYTHON=python3.10 for the oldest.
test-lowest: tests/lowest.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet "$(TORCH)" --constraint tests/lowest.txt
	$(VENV)-lowest/bin/python -m pip install --quiet --editable ".[dev]" --constraint tests/lowest.txt
	$(VENV)-lowest/bin/python -m pytest -n auto --dist worksteal -m "not slow"

# Tests that costs do not grow with the store, counted at 100 and at 100,000 answers; minutes, most of them the disk's.
test-growth: $(READY)
	OPENAI_IMAGE_NODES_TEST_ANSWERS=100000 $(PY) -m pytest tests/api/store/test_growth.py

# Style, types and, where node is there, the JavaScript.
lint: $(READY)
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) scripts/check_javascript.py

# The pack in a real ComfyUI (COMFYUI_PATH, COMFYUI_PYTHON) and, where Chromium is there, in its pages.
e2e: $(READY)
	$(PY) -m pytest tests/e2e

# The part that shows in some minutes whether the pack works in a ComfyUI; without Chromium what needs no browser.
e2e-short: $(READY)
	$(PY) -m pytest tests/e2e -m short

# example_workflows/ once more, with their pictures.
examples: $(READY)
	$(PY) scripts/make_examples.py

# docs/screenshots/ in the ComfyUI, frontend and browser that the tests above would take.
screenshots: $(READY)
	$(PY) scripts/make_screenshots.py

# What docs/benchmarks.md tells. COMFYUI_PATH and COMFYUI_PYTHON let ComfyUI's own built-in node run beside ours.
bench: $(READY)
	$(PY) -m bench

# The same in some minutes.
bench-quick: $(READY)
	$(PY) -m bench --quick

# Remove everything that the other targets made.
clean:
	rm -rf $(VENV) $(VENV)-lowest node_modules demo_output e2e_output build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=/path/to/python3")'
	$(PYTHON) -m venv $(VENV)

# torch first: it is the large one, and every other package is content with it.
$(READY): $(PY) pyproject.toml
	$(PY) -m pip install --quiet "$(TORCH)"
	$(PY) -m pip install --quiet --editable ".[dev]"
	@touch $@
