# The same commands in a terminal, in Codespaces and in Actions. `make` alone explains itself.

PYTHON ?= python3
# Another interpreter gets an environment of its own: make test PYTHON=python3.13
VENV ?= .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
READY := $(VENV)/.ready
RUN := $(BIN)/python -m insurance_predictor
STACK := $(BIN)/python -m infra
MONITOR := $(BIN)/python -m monitoring

# What a person may type after the target reaches the command through the environment.
export DATA TUNE N_TRIALS N_JOBS AUTOLOG PRODUCTION RUN_ID VERSION FORCE REASON PORT
export FILE SERVICE YES APP_PORT BUILD IN OUT SCHEDULER SCALE
export API_HOST API_PORT API_WORKERS
export STRICT SHEET FAULTY_ROWS FAULTY_SHARE
export WINDOW WINDOW_FROM WINDOW_TO LAST DRY_RUN FULL RETRAIN SCENARIO MONTHS YEARS
export ARCHIVE OLDER SCORED

.DEFAULT_GOAL := help
.PHONY: help
help: ## this list
	@awk -f infra/help.awk $(MAKEFILE_LIST)

##@ Environment
.PHONY: setup lock hooks clean
setup: $(READY) ## make .venv from the lock files (uv when it is there, else pip)

$(READY): requirements.txt requirements-dev.txt infra/setup.sh
	@infra/setup.sh "$(PYTHON)" "$(VENV)"

lock: $(READY) ## resolve requirements*.in into requirements*.txt (UPGRADE=1), copy the base images
	@infra/lock.sh "$(BIN)/uv" $(if $(UPGRADE),--upgrade)

hooks: $(READY) ## run the checks of `make lint` at every commit
	@$(BIN)/pre-commit install

clean: ## remove environments and caches (never data, models or mlflow.db)
	rm -rf .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov

##@ Checks
.PHONY: lint format test test-process test-integration test-e2e test-all test-stack coverage audit
.PHONY: mutations quality other-tables gate-calibration gate-sizes calibrate bench bench-app bench-api bench-uploads bench-monitor bench-scale
lint: $(READY) ## ruff, import-linter, mypy, file and secret checks: what a commit runs
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pre-commit run --all-files --show-diff-on-failure

format: $(READY) ## rewrite the code as ruff formats it
	@$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format .

test: $(READY) ## what the code does, inside one process: run it before a commit
	@$(BIN)/python -m pytest -n auto --dist loadfile -m "not process" $(PYTEST_ARGS)

test-process: $(READY) ## whole commands, killed servers, the README, what an import may cost
	@$(BIN)/python -m pytest -n auto --dist loadfile -m process $(PYTEST_ARGS)

test-all: test test-process test-integration test-e2e ## every test that needs no Docker

coverage: $(READY) ## `test` and `test-process` in one run, with branch coverage of at least 95 %
	@$(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report=term --cov-fail-under=95 $(PYTEST_ARGS)

test-integration: $(READY) ## the life cycle over a real MLflow server on PostgreSQL and S3, without Docker
	@$(BIN)/python -m pytest tests/integration $(PYTEST_ARGS)

test-e2e: $(READY) ## the app in a real browser, with servers that die and come back (needs Chromium)
	@$(BIN)/python -m pytest tests/e2e $(PYTEST_ARGS)

test-stack: $(READY) ## the containers: restarts and kills in the middle, backup, restore, bad input (needs Docker)
	@$(BIN)/python -m pytest tests/stack $(PYTEST_ARGS)

audit: $(READY) ## ask the advisory database about every pinned package (needs the network)
	@$(BIN)/pip-audit --strict --no-deps --disable-pip --progress-spinner off \
		-r requirements.txt -r requirements-dev.txt

mutations: $(READY) ## plant each bad candidate and print the reason it is refused for
	@$(BIN)/python -m pytest -q -s tests/insurance_predictor/test_mutations.py

quality: $(READY) ## the quality table: candidates under 10-fold × 5 repeats (DATA=...)
	@$(BIN)/python -m tests.studies.quality

other-tables: $(READY) ## the candidates on tables nobody tuned them for, beside boosting tuned by hand
	@$(BIN)/python -m tests.studies.other_tables

gate-calibration: $(READY) ## how often each threshold of the gate refuses a good candidate (DATA=...)
	@$(BIN)/python -m tests.studies.gate_calibration

gate-sizes: $(READY) ## what the gate can tell of tables of 150 to 1,337 made-up people
	@$(BIN)/python -m tests.studies.gate_sizes

calibrate: $(READY) ## how often monitoring errs: alarms, incidents a year, days to one (DATA=... YEARS=200)
	@$(BIN)/python -m tests.studies.drift_calibration
	@$(BIN)/python -m tests.studies.incident_calibration

bench: $(READY) ## the speed table, as ratios, and bench.json (DATA=...)
	@$(BIN)/python -m tests.benchmarks.bench

bench-app: $(READY) ## the app against a plain one: start to first quote, quotes a second, memory
	@$(BIN)/python -m tests.benchmarks.bench_app

bench-api: $(READY) ## the API against `mlflow models serve`: quotes a second, waits, memory
	@$(BIN)/python -m tests.benchmarks.bench_api

bench-uploads: $(READY) ## the app's memory while 1, 2 and 10 visitors upload what they like (needs Chromium)
	@$(BIN)/python -m tests.benchmarks.bench_uploads

bench-monitor: $(READY) ## an assessment of 1,000,000 predictions against Evidently, and at 10,000,000
	@$(BIN)/python -m tests.benchmarks.bench_monitor

bench-scale: $(READY) ## portfolios of 5 to 50 million rows against pandas, Spark and itself (SPARK_PYTHON=...)
	@$(BIN)/python -m tests.benchmarks.bench_scale

##@ Stack
.PHONY: env up pull down destroy logs ps doctor backup restore upgrade-db
env: $(READY) ## write .env with random secrets, once
	@$(STACK) env

up: $(READY) ## start MLflow, PostgreSQL and MinIO in containers, until they are healthy (BUILD=1)
	@$(STACK) up

pull: $(READY) ## take the images of `make up` from the registry, as far as it has them
	@$(STACK) pull

down: $(READY) ## stop the containers and keep their data
	@$(STACK) down

destroy: $(READY) ## stop the containers and delete their data, after asking (YES=1)
	@$(STACK) destroy

logs: $(READY) ## follow what the containers say (SERVICE=mlflow)
	@$(STACK) logs

ps: $(READY) ## the containers and their health
	@$(STACK) ps

doctor: $(READY) ## what is right and what is wrong here, each with its remedy
	@$(STACK) doctor

backup: $(READY) ## databases and bucket as one archive in backups/
	@$(STACK) backup

restore: $(READY) ## bring an archive back into an empty stack (FILE=backups/...)
	@$(STACK) restore

upgrade-db: $(READY) ## back up, then migrate MLflow's database to the version of the lock file
	@$(STACK) upgrade-db

##@ Data
.PHONY: data check-data
data: $(READY) ## download the public table to data/insurance.csv, unless another one is meant
	@$(RUN) data

check-data: $(READY) ## say whether a table can be used, and what is in it (DATA=... SHEET=... STRICT=1 FAULTY_ROWS=drop)
	@$(RUN) check-data

##@ Life cycle
.PHONY: train register promote rollback status ui
train: $(READY) ## train, evaluate and log one run (DATA=... TUNE=1 N_TRIALS=n N_JOBS=n AUTOLOG=1 PRODUCTION=1)
	@$(RUN) train

register: $(READY) ## let the gate judge a run and write a model version (RUN_ID=... PRODUCTION=1)
	@$(RUN) register

promote: $(READY) ## move `producao` to an approved version (VERSION=n REASON=... FORCE=1)
	@$(RUN) promote

rollback: $(READY) ## move `producao` back to the version before (REASON=...)
	@$(RUN) rollback

status: $(READY) ## aliases, versions, the ledger and what is wrong with them
	@$(RUN) status

.PHONY: app api score outcomes archive
app: $(READY) ## the Streamlit app over the version in production (APP_PORT=8501)
	@$(BIN)/python -m streamlit run app/app.py --server.port "$${APP_PORT:-8501}"

api: $(READY) ## quotes for other programs, by HTTP (API_PORT=8000 API_WORKERS=n API_HOST=...)
	@$(RUN) api

score: $(READY) ## premiums for a portfolio, here or on s3:// (IN=... OUT=... SCHEDULER=local)
	@$(RUN) score

outcomes: $(READY) ## join actual charges to logged quotes (FILE=... with the columns id and charges)
	@$(RUN) outcomes

archive: $(READY) ## move old quotes from the log to Parquet at ARCHIVE (OLDER=400d DRY_RUN=1)
	@$(RUN) archive

ui: $(READY) ## MLflow's own pages over the configured store (PORT=5000)
	@$(RUN) ui

##@ Monitoring
.PHONY: monitor simulate dashboard alert-test announce
monitor: $(READY) ## look back at predictions, tell what is new (WINDOW=7d LAST=n DRY_RUN=1 SCORED=...)
	@$(MONITOR) run

simulate: $(READY) ## play months of production in minutes (SCENARIO=all MONTHS=6)
	@$(MONITOR) simulate

dashboard: $(READY) ## the history of monitoring as a page of its own (APP_PORT=8501)
	@$(BIN)/python -m streamlit run monitoring/dashboard/alone.py --server.port "$${APP_PORT:-8501}"

alert-test: $(READY) ## send one test message to every channel that is set
	@$(MONITOR) alert-test

announce: $(READY) ## tell every channel which version serves now, and why
	@$(MONITOR) announce

##@ Workflows
.PHONY: training-table training-summary incidents promotion-summary image
training-table: $(READY) ## tell GitHub which table a training uses, and why (DATA=...)
	@$(STACK) github training-table

training-summary: $(READY) ## tell GitHub what became of a training (RUN_ID=... REASON=...)
	@$(STACK) github training-summary

incidents: $(READY) ## keep one GitHub issue for each incident (FILE=monitor.json RETRAIN=1)
	@$(STACK) github incidents

promotion-summary: $(READY) ## the version in production and the end of the ledger, as Markdown
	@$(STACK) github promotion-summary

image: $(READY) ## the name of an image of these sources in the registry (SERVICE=minio)
	@$(STACK) github image
