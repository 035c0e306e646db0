PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# pip compiles what it installs, but not what it installs to be edited
COMPILE = @$(BIN)/python -m compileall -q pyramid_notebook

.PHONY: demo test check clean browser postgresql editors nginx bench-tools oldest-kernel nbclassic jupyter-clients

demo: $(VENV)/.demo  ## Set up and run the demo site on http://localhost:9999
	$(COMPILE)
	$(BIN)/pserve pyramid_notebook/demo/development.ini

# Ten thousand tests share two cores with the servers and browsers they start, and wait for them half of the time, so one
# more of them runs than there are cores. What failed is run once more, alone; if it holds then, it is a race in the test
# or in the code, is named as one, and is to be mended like any fault.
WORKERS := $(shell cores=$$(nproc 2>/dev/null || echo 2); echo $$((cores < 4 ? cores + 1 : 4)))
AGAIN = $(BIN)/python -m pytest -x --last-failed --last-failed-no-failures none && \
	echo "The tests above failed beside the others and held alone: each of them has a race that is to be mended."

test: $(VENV)/.test oldest-kernel nbclassic jupyter-clients browser postgresql editors nginx  ## Set up and run all checks and tests
	$(MAKE) check
	$(COMPILE)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile || { [ $$? -eq 1 ] && $(AGAIN); }

check: $(VENV)/.test  ## Lint and types
	$(BIN)/ruff check pyramid_notebook tests benchmarks docs
	$(BIN)/ruff format --check pyramid_notebook tests benchmarks docs
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

# The oldest kernel in which the channel is tested; it is no part of what is installed.
OLDEST_IPYKERNEL := 6.31.0
OLDEST := $(VENV)/oldest-kernel
oldest-kernel: $(OLDEST)/.$(OLDEST_IPYKERNEL)
$(OLDEST)/.$(OLDEST_IPYKERNEL): constraints.txt | $(BIN)/python
	$(BIN)/python -m venv $(OLDEST)
	grep -v "^ipykernel==" constraints.txt > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install --disable-pip-version-check -q -c $(OLDEST)/constraints.txt \
		ipykernel==$(OLDEST_IPYKERNEL) aiohttp
	touch $@

# NbClassic in a folder of its own: user servers turn it on wherever they find it, and one test shall. Of what it needs
# we have all but ipython-genutils.
NBCLASSIC := 1.3.3
nbclassic: $(VENV)/nbclassic/.$(NBCLASSIC)
$(VENV)/nbclassic/.$(NBCLASSIC): | $(BIN)/python
	rm -rf $(VENV)/nbclassic
	$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --target $(VENV)/nbclassic \
		nbclassic==$(NBCLASSIC) ipython-genutils
	touch $@

# Jupyter's own programs in a folder of their own: some bring extensions that user servers would load.
jupyter-clients: $(VENV)/jupyter-clients/.made
$(VENV)/jupyter-clients/.made: tests/clients/requirements.txt | $(BIN)/python
	rm -rf $(VENV)/jupyter-clients
	$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --target $(VENV)/jupyter-clients \
		-r tests/clients/requirements.txt
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

# The tests run an nginx of their own; the package must not start one, neither now nor at the next boot.
POLICY := /usr/sbin/policy-rc.d
nginx:
	@command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] && exit 0; \
	if [ "$$(id -u)" != 0 ]; then \
		echo "The tests of the nginx mode need it. Type: sudo apt-get install nginx-light"; exit 1; fi; \
	apt-get update -qq || exit 1; \
	[ -e $(POLICY) ] || { made=1; printf '#!/bin/sh\nexit 101\n' > $(POLICY); chmod 755 $(POLICY); }; \
	apt-get install -y -qq --no-install-recommends nginx-light; code=$$?; \
	[ -z "$$made" ] || rm $(POLICY); systemctl disable nginx >/dev/null 2>&1; exit $$code

EDITORS := vim neovim emacs-nox kakoune
editors:
	@command -v vim >/dev/null && command -v nvim >/dev/null && command -v emacs >/dev/null && command -v kak >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq --no-install-recommends $(EDITORS); \
	else echo "The tests of the editors need them. Type: sudo apt-get install $(EDITORS)"; exit 1; fi

# What the benchmarks of the proxy, of functions and of the channel compare with; make bench-tools VENV=... puts it
# beside another interpreter.
CONFIGURABLE_HTTP_PROXY := configurable-http-proxy@5.3.0
JCHANNEL_CLIENT := jupyter-jchannel-client@0.3.8
BENCH_PROGRAMS := wrk npm
bench-tools: $(BIN)/python  ## Install what the benchmarks of the proxy, of functions and of the channel need
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e ".[bench]"
	@missing=$$(for program in $(BENCH_PROGRAMS); do command -v $$program >/dev/null || echo $$program; done); \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ]; then apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing; \
	else echo "The benchmarks of the proxy need programs. Type: sudo apt-get install $$missing"; exit 1; fi
	npm install --silent --no-fund --no-audit --prefix $(VENV)/bench-tools $(CONFIGURABLE_HTTP_PROXY)
	npm install --silent --no-fund --no-audit --prefix $(VENV)/bench-tools $(JCHANNEL_CLIENT) || \
	echo "The benchmark of the channel leaves jupyter-jchannel out: no $(JCHANNEL_CLIENT) in the registry."

clean:  ## Remove the virtual environment
	rm -rf $(VENV)
