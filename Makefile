# Everything runs in .venv, made on first use and brought up to date when pyproject.toml or
# constraints.txt change. Another Python: make PYTHON=python3.12 test

PYTHON ?= $(or $(shell command -v python3.11),$(shell command -v python3))
BIN := .venv/bin
override DEMO := demo
CHECKPOINT := $(DEMO)/models/latest_model.pth
WATERMARK := samples/tinyseal/full_model.pth
INSTALLED_FROM := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test lint clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/ready-to-run ## read a watermark under attack; train, convert, verify and report a GAN
	rm -rf $(DEMO)
	$(BIN)/chunkport convert $(WATERMARK) --model tinyseal --precision fp32 --precision int8 \
		--output-dir $(DEMO)/watermark
	$(BIN)/chunkport attack-watermark $(WATERMARK) $(DEMO)/watermark/*.tflite --count 50 \
		--clean 200 --max-accuracy-loss 0.005
	$(BIN)/chunkport train-gan --profile demo --output-dir $(DEMO)
	$(BIN)/chunkport convert $(CHECKPOINT) --model gan-generator --precision fp32 \
		--precision fp16 --precision int8 --output-dir $(DEMO)/tflite --force
	$(BIN)/chunkport verify $(DEMO)/tflite/*.tflite --checkpoint $(CHECKPOINT)
	$(BIN)/chunkport benchmark $(DEMO)/tflite/*.tflite --checkpoint $(CHECKPOINT) \
		-o $(DEMO)/benchmark.json
	$(BIN)/chunkport report $(DEMO)/tflite/*.tflite --checkpoint $(CHECKPOINT) \
		--benchmark $(DEMO)/benchmark.json -o $(DEMO)/report.html

test: lint ## lint, then the unit tests, then the integration tests
	$(BIN)/pytest -m "not full_scale"

lint: .venv/ready-to-test ## style, types and import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean: ## remove the environment, the demo's results and all caches
	rm -rf .venv $(DEMO) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/ready-to-run: $(INSTALLED_FROM) | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/ready-to-test: $(INSTALLED_FROM) | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@ .venv/ready-to-run

.venv/bin/python:
	@if [ -z "$(PYTHON)" ] || \
		! "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo "chunkport needs Python 3.11 or newer, and '$(PYTHON)' is not." \
			"Install it, or name where it is: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	fi
	"$(PYTHON)" -m venv .venv || { rm -rf .venv; exit 1; }
