PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test nightly compare

demo: $(VENV)/demo
	$(BIN)/python -m dualad tour

test: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

nightly: $(VENV)/test
	$(BIN)/python -m pytest -n 2 -m nightly

compare: $(VENV)/compare
	$(BIN)/python -m compare

$(VENV)/%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -e '.[$(patsubst demo,docs,$*)]'
	touch $@
