PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check clean browser postgresql editors

demo: $(VENV)/.demo  ## Set up and run the demo site on http://localhost:9999
	$(BIN)/pserve pyramid_notebook/demo/development.ini

test: $(VENV)/.test browser postgresql editors  ## Set up and run all checks and tests
	$(MAKE) check
	$(BIN)/python -m pytest

check: $(VENV)/.test  ## Lint and types
	$(BIN)/ruff check pyramid_notebook tests benchmarks docs
	$(BIN)/mypy

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed. Type: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null || { echo "Type: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e ".[demo]"
	touch $@

$(VENV)/.test: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e ".[test]"
	touch $@

browser:
	@command -v chromium >/dev/null && command -v chromedriver >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium chromium-driver; \
	else echo "The browser tests need Chromium. Type: sudo apt-get install chromium chromium-driver"; exit 1; fi

# The tests run a server of their own; the package must not make one that the system starts, and gets its setting back.
POSTGRESQL_SETTING := /etc/postgresql-common/createcluster.conf
postgresql:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && exit 0; command -v initdb >/dev/null && exit 0; \
	if [ "$$(id -u)" != 0 ]; then \
		echo "The tests of the tokens need PostgreSQL. Type: sudo apt-get install postgresql"; exit 1; fi; \
	apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql-common && \
	cp -p $(POSTGRESQL_SETTING) $(POSTGRESQL_SETTING).before && \
	echo "create_main_cluster = false" >> $(POSTGRESQL_SETTING) && \
	apt-get install -y -qq --no-install-recommends postgresql; \
	code=$$?; mv $(POSTGRESQL_SETTING).before $(POSTGRESQL_SETTING); exit $$code

EDITORS := vim neovim emacs-nox kakoune
editors:
	@command -v vim >/dev/null && command -v nvim >/dev/null && command -v emacs >/dev/null && command -v kak >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq --no-install-recommends $(EDITORS); \
	else echo "The tests of the editors need them. Type: sudo apt-get install $(EDITORS)"; exit 1; fi

clean:  ## Remove the virtual environment
	rm -rf $(VENV)
