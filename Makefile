# Needs make, git and a Python that .ci/find-python can find; everything else goes into $(VENV).
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check

.PHONY: help demo test lint docs constraints clean

help:
	@echo "make demo         fit the embedded survey and write report.html"
	@echo "make test         run the tests"
	@echo "make lint         style, types and import contracts"
	@echo "make docs         build the documentation; executes the notebooks"
	@echo "make constraints  choose the pinned versions anew"
	@echo "make clean        remove what make made, $(VENV) included"

demo: $(VENV)/.installed
	@MPLBACKEND=Agg $(BIN)/bayes-coprod demo --out report.html

test: $(VENV)/.installed-test
	@MPLBACKEND=Agg $(BIN)/python -m pytest -q -n auto --dist loadfile

lint: $(VENV)/.installed-lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# -E: notebooks show this checkout's results, never cached ones.
docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -q -j auto -E -W --keep-going docs docs/_build/html

# A stamp is touched last, so an interrupted installation is taken up again. The tests stand
# for a folder that is there already: made by hand, or half-made (pip comes last).
$(VENV)/.created:
	@test -x $(BIN)/python || { python=$$(.ci/find-python) && \
	    echo "Creating $(VENV) with $$python" && "$$python" -m venv $(VENV); }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --default-pip >/dev/null
	@touch $@

INSTALL = $(PIP) install --constraint .ci/constraints.txt --editable

$(VENV)/.installed: $(VENV)/.created pyproject.toml .ci/constraints.txt
	@echo "Installing bayes-coprod (a few minutes the first time)"
	@$(INSTALL) .
	@touch $@

$(VENV)/.installed-%: $(VENV)/.created pyproject.toml .ci/constraints.txt
	@echo "Installing bayes-coprod[$*] (a few minutes the first time)"
	@$(INSTALL) '.[$*]'
	@touch $@

# Without addresses, so that the file works with every package index.
constraints: $(VENV)/.created
	$(PIP) install uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.12 --all-extras --upgrade \
	    --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	    --fork-strategy fewest --output-file .ci/constraints.txt pyproject.toml

clean:
	rm -rf build dist report.html docs/_build docs/generated docs/notebooks
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@if [ -e $(VENV)/pyvenv.cfg ]; then echo "rm -rf $(VENV)"; rm -rf $(VENV); fi
