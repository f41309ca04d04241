# Everything here runs in the Python environment that is active.
.PHONY: install fix lint types test check bench site

install:  ## everything a developer needs, at the versions that are tested
	python -m pip install -c constraints.txt -e '.[dev]'

fix:  ## what a tool can mend
	ruff check --fix .
	ruff format .

lint:
	ruff check .
	ruff format --check .

types:
	mypy

# two workers on two cores: one thread each, or they get in each other's way
test: export OMP_NUM_THREADS ?= 1
test: export TOKENIZERS_PARALLELISM ?= false
test:
	python -m pytest -n 2 --dist loadfile

check: lint types test

bench:
	python benchmarks/startup.py

site:  ## the documents as a site, in site/; needs pip install -e '.[docs]'
	mkdocs build --strict
