# Everything runs in .venv, made on first use and brought up to date when pyproject.toml or
# constraints.txt change. Another Python: make PYTHON=python3.12 test
# Some tests run .tflite files in Node and pages in Chromium: npm brings what they need of these.

PYTHON ?= $(or $(shell command -v python3.11),$(shell command -v python3))
BIN := .venv/bin
override DEMO := demo
CHECKPOINT := $(DEMO)/models/latest_model.pth
WATERMARK := samples/tinyseal/full_model.pth
INSTALLED_FROM := pyproject.toml constraints.txt
IN_BROWSERS := $(if $(shell command -v npm),node_modules/ready-to-test,without-npm)

.DEFAULT_GOAL := help
.PHONY: help demo test lint clean without-npm

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/ready-to-run ## read a watermark under attack; train, convert, verify and report a GAN
	rm -rf $(DEMO)
	$(BIN)/chunkport convert $(WATERMARK) --model tinyseal --precision fp32 --precision int8 \
		--output-dir $(DEMO)/watermark
	$(BIN)/chunkport attack-watermark $(WATERMARK) $(DEMO)/watermark/*.tflite --count 50 \
		--clean 200 --max-accuracy-loss 0.01
	$(BIN)/chunkport train-gan --profile demo --output-dir $(DEMO)
	$(BIN)/chunkport convert $(CHECKPOINT) --model gan-generator --precision fp32 \
		--precision fp16 --precision int8 --output-dir $(DEMO)/tflite --force
	$(BIN)/chunkport verify $(DEMO)/tflite/*.tflite --checkpoint $(CHECKPOINT)
	$(BIN)/chunkport benchmark $(DEMO)/tflite/*.tflite --checkpoint $(CHECKPOINT) \
		--rounds 10 --num-threads 2 --no-memory -o $(DEMO)/benchmark.json
	$(BIN)/chunkport report $(DEMO)/tflite/*.tflite --checkpoint $(CHECKPOINT) \
		--benchmark $(DEMO)/benchmark.json -o $(DEMO)/report.html

# Files in their own order: by itself xdist begins those of few tests last, and the longest have one.
test: lint $(IN_BROWSERS) ## lint, then the unit tests, then the integration tests
	$(BIN)/pytest -m "not full_scale" -n 2 --dist loadfile --no-loadscope-reorder --durations 40

lint: .venv/ready-to-test ## style, types and import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean: ## remove the environment, the demo's results and all caches
	rm -rf .venv node_modules $(DEMO) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/ready-to-run: $(INSTALLED_FROM) | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/ready-to-test: $(INSTALLED_FROM) | .venv/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@ .venv/ready-to-run

node_modules/ready-to-test: package.json package-lock.json
	npm ci --no-fund --no-audit
	@if [ "$$(uname -sm)" = "Linux x86_64" ]; then npm run --silent unpack-chromium; else \
		echo "WARNING: pages are tested where Chromium or Chrome is installed; npm brings one" \
			"for Linux on x86-64 only" >&2; fi
	@touch $@

without-npm:
	@echo "WARNING: there is no npm here, so that all tests in Node and Chromium will be SKIPPED." \
		"Install Node 20 or newer to run them." >&2

.venv/bin/python:
	@if [ -z "$(PYTHON)" ] || \
		! "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo "chunkport needs Python 3.11 or newer, and '$(PYTHON)' is not." \
			"Install it, or name where it is: make PYTHON=/path/to/python3.11" >&2; \
		exit 1; \
	fi
	"$(PYTHON)" -m venv .venv || { rm -rf .venv; exit 1; }
