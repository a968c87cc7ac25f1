# Two commands for a person: `make demo`, `make test`. The rest is theirs.
PYTHON ?= python3
VENV := .venv
DISK := 1.7 GB
# Of the tests: two cores are busy with four, since much of their time is waiting.
WORKERS ?= 4
BIN := $(VENV)/bin
# Only this project's environment counts, not one that is active by chance.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 20
export SAGEMAKER_SUPPRESS_V2_WARNING := 1

# An environment that an interrupt left half made, or of another interpreter, is made anew.
ifeq ($(filter clean constraints,$(MAKECMDGOALS)),)
$(shell sh tools/check_venv.sh $(VENV) $(PYTHON) >&2)
endif

.PHONY: demo test test-iam verify verify-sandbox lint floors bench simulate mutants fuzz frameworks containers record check-python clean constraints catalog golden release-check docs

demo: $(VENV)/.demo
	@NEO_SANDBOX_COMPILE_SECONDS=$${NEO_SANDBOX_COMPILE_SECONDS:-1} SFN_WAIT_SCALE=$${SFN_WAIT_SCALE:-0.03} \
	  neo sandbox run -- python examples/digits/demo.py

test: $(VENV)/.test
	@python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov=neo_jobs --cov-branch --cov-report=term:skip-covered --cov-fail-under=100

# Take every right away in turn, and see that it is missed: about four minutes.
test-iam: $(VENV)/.test
	NEO_TEST_IAM=all python -m pytest -s tests/sandbox/test_iam.py

# Ask AWS, with the credentials and the region of the environment, whether what is assumed of it holds.
verify: $(VENV)/.test
	neo verify

# Every probe of it in the sandbox, once as assumed and once otherwise: about five minutes.
verify-sandbox: $(VENV)/.test
	NEO_TEST_VERIFY=all python -m pytest -s tests/sandbox/test_verify.py

lint: $(VENV)/.test
	ruff check .
	ruff format --check .
	mypy
	python tools/lint_templates.py

# Synthesize with the lowest version of every declared range.
floors: check-python
	rm -rf $(VENV).floors && $(PYTHON) -m venv $(VENV).floors
	$(PYTHON) tools/floors.py > $(VENV).floors/floors.txt
	$(VENV).floors/bin/python -m pip install -q --disable-pip-version-check \
	  -c $(VENV).floors/floors.txt -e '.[sandbox,local,fast]'
	$(VENV).floors/bin/python tools/lint_templates.py --synthesize-only
	$(VENV).floors/bin/neo run examples/digits/digits.onnx --code examples/digits/code \
	  --payload examples/digits/image.json --content-type application/json
	rm -rf $(VENV).floors

bench: $(VENV)/.test
	python benchmarks/catalog.py
	python benchmarks/archives.py
	python benchmarks/serving.py
	python benchmarks/synthesis.py

# A long run of the lifecycle simulation: more than 100,000 steps.
simulate: $(VENV)/.test
	NEO_SIMULATED_LIVES=3000 python -m pytest -s tests/lifecycle/test_simulation.py tests/lifecycle/test_interleaving.py

# Break the engine on purpose, in every way that is named and in every small way, and see who notices.
mutants: $(VENV)/.test
	python tools/mutate_reconcile.py
	python -m tests.lifecycle.mutations

# Throw broken files at every reader.
fuzz: $(VENV)/.test
	NEO_FUZZ_EXAMPLES=20000 python -m pytest -s tests/unit/test_fuzz.py tests/unit/test_bounds.py

# Run scripts by the real frameworks: an environment for each, of several gigabytes in all.
frameworks: $(VENV)/.test
	@test -x $(VENV)/torch/bin/python || $(PYTHON) -m venv $(VENV)/torch
	@$(VENV)/torch/bin/python -m pip install -q torch==2.0.1 "numpy<2" sagemaker-inference
	@test -x $(VENV)/tensorflow/bin/python || $(PYTHON) -m venv $(VENV)/tensorflow
	@$(VENV)/tensorflow/bin/python -m pip install -q tensorflow-cpu==2.21.0
	@test -x $(VENV)/xgboost/bin/python || $(PYTHON) -m venv $(VENV)/xgboost
	@$(VENV)/xgboost/bin/python -m pip install -q xgboost==3.2.0
	@test -x $(VENV)/mxnet/bin/python || $(PYTHON) -m venv $(VENV)/mxnet
	@$(VENV)/mxnet/bin/python -m pip install -q mxnet==1.9.1 numpy==1.23.5 "scipy<1.11" sagemaker-inference
	NEO_PYTHON_TORCH=$(VENV)/torch/bin/python NEO_PYTHON_TENSORFLOW=$(VENV)/tensorflow/bin/python \
	NEO_PYTHON_XGBOOST=$(VENV)/xgboost/bin/python NEO_PYTHON_MXNET=$(VENV)/mxnet/bin/python \
	python -m pytest tests/frameworks

# Hold `neo run` against the real servers and toolkits, and these against what they answered before.
# Two containers are published as source only: NEO_CHECKOUT_DLR names a checkout of neo-ai/neo-ai-dlr,
# NEO_CHECKOUT_TENSORFLOW one of aws/sagemaker-tensorflow-serving-container.
CONTAINERS := $(VENV)/containers
containers: $(VENV)/.test
	@sh tools/container_environments.sh $(CONTAINERS) $(PYTHON)
	python -m tests.containers.record $(CONTAINERS)
	NEO_PYTHON_TORCH=$(CONTAINERS)/torch/bin/python NEO_PYTHON_XGBOOST=$(CONTAINERS)/xgboost/bin/python \
	NEO_PYTHON_MXNET=$(CONTAINERS)/mxnet/bin/python python -m pytest tests/containers

# Keep this version's events and states: later versions must serve them. Once per release.
record: $(VENV)/.test
	PYTHONPATH=lambda python -m tests.lifecycle.recording $$(python -c 'import importlib.metadata as m; print(m.version("neo-constructs"))')

golden: $(VENV)/.test
	UPDATE_GOLDEN=1 python -m pytest tests/templates

catalog: $(VENV)/.test
	python tools/refresh_catalog.py

# Take the newest versions that pyproject.toml allows.
constraints: check-python
	rm -rf $(VENV).new && $(PYTHON) -m venv $(VENV).new
	: > constraints.txt
	$(VENV).new/bin/python -m pip install -q -r requirements.txt -e '.[dev]'
	$(VENV).new/bin/python -m pip freeze --exclude-editable > constraints.txt
	$(VENV).new/bin/python -m pip install -q uv
	PATH=$(VENV).new/bin:$$PATH sh tools/lock.sh
	rm -rf $(VENV).new


# Every file that is downloaded has the hash that locks/ states; the project itself is built with what
# has been installed.
$(VENV)/.demo: locks/demo.txt pyproject.toml | check-python
	@echo "Installing into $(VENV), once: about a minute and $(DISK), from the Python package index."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@python tools/install.py --require-hashes -r $<
	@python tools/install.py --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: $(VENV)/.demo locks/test.txt
	@echo "Installing what the tests need besides."
	@python tools/install.py --require-hashes -r locks/test.txt
	@touch $@

check-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Python 3.11 or newer is needed; $(PYTHON) is not. Try: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "$(PYTHON) has no venv. On Debian: apt-get install python3-venv"; exit 1; }

# Go through the release checklist: builds, contents, dependencies, what is written down.
release-check: $(VENV)/.test
	python tools/release_check.py

# The documentation as a site, in site/: an environment of its own beside the tests'.
docs: $(VENV)/.test
	@test -x $(VENV)/docs/bin/python || $(PYTHON) -m venv --system-site-packages $(VENV)/docs
	@$(VENV)/docs/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r locks/docs.txt
	PYTHONPATH=$(CURDIR):$$(ls -d $(CURDIR)/$(VENV)/lib/python*/site-packages) $(VENV)/docs/bin/python -m mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) cdk.out
