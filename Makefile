# Short names for the commands of README.md and CONTRIBUTING.md. First:
#   pip install -c constraints.txt -e ".[dev]"
.PHONY: help test lint notebooks page picture stage ci

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

test:  ## all tests, offline; one file: make test T=tests/test_metrics.py
	pytest -q $(T)

lint:  ## style, format, types
	ruff check .
	ruff format --check .
	mypy swin2sr eval app.py

notebooks:  ## all lessons, with small pictures; keeps nothing
	FAST=1 pytest -q -n 0 --nbmake --nbmake-timeout=600 --timeout=900 notebooks/*.ipynb

page:  ## the page, on http://127.0.0.1:7860
	python app.py

picture:  ## the picture of docs/architecture.md, from the imports
	python docs/draw_architecture.py

stage:  ## the files of a Space: make stage FOLDER=space
	python -m swin2sr.demo.stage $(FOLDER)

ci:  ## everything that a change must pass, in a fresh environment
	.ci/run
