# make scan [DIR=folder]   scan a folder of videos and show what is in it; without DIR, a demo library
# make test                run the tests
# make check               format, lint, types, layers, generated files
# make bench [MEDIA=folder] measure what is promised of the speed (under 15 minutes), on made clips or real files
# make generate            write the files that are made from the code

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := .demo
DIR ?=

.PHONY: scan test check bench generate format clean

# exit status 3: done, but some files failed, as one of the demo library does, or there is nothing to show
define scan_and_show
	@$(BIN)/qacache scan $(1) || [ $$? -eq 3 ]
	@$(BIN)/qacache lookup $(1) || [ $$? -eq 3 ]
endef

ifeq ($(strip $(DIR)),)
scan: $(VENV)/installed
	@$(BIN)/python -m tests.media demo $(DEMO)/Movies
	$(call scan_and_show,--db $(DEMO)/qacache.db $(DEMO)/Movies)
else
# by the environment, which holds any name; not every shell expands ~ in DIR=~/Movies
scan: export FOLDER := $(patsubst ~,$(HOME),$(patsubst ~/%,$(HOME)/%,$(DIR)))
scan: $(VENV)/installed
	$(call scan_and_show,"$$FOLDER")
endif

test: $(VENV)/installed-dev
	@scripts/system-packages ffmpeg
	@scripts/system-packages zsh fish groff prometheus || echo "tests that need these are skipped" >&2
	$(BIN)/python -m pytest

check: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m qacache.config.example | diff - examples/config.toml
	@rm -rf .generated
	$(BIN)/python -m qacache.cli.reference .generated
	diff -r .generated/man man && diff -r .generated/completions completions

bench: $(VENV)/installed-dev
	@scripts/system-packages ffmpeg exiftool sqlite3
	@scripts/system-packages jdupes wrk || echo 'going on without them' >&2
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	$(BIN)/python -m benchmarks $(if $(MEDIA),--media "$(MEDIA)")

generate: $(VENV)/installed-dev
	$(BIN)/python -m qacache.config.example > examples/config.toml
	rm -rf man completions
	$(BIN)/python -m qacache.cli.reference .

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(DEMO) .generated

$(VENV)/bin/pip:
	@scripts/make-venv $(PYTHON) $(VENV)

$(VENV)/installed: EXTRAS :=
$(VENV)/installed-dev: EXTRAS := [dev]
$(VENV)/installed $(VENV)/installed-dev: pyproject.toml | $(VENV)/bin/pip
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.$(EXTRAS)'
	@touch $@
