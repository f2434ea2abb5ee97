# Every target is one call of a command. A variable that is set becomes the flag of the same name.

# Values from the command line are used literally: otherwise make would expand a $ in them.
$(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(eval override $(name) := $$(value $(name)))))

empty :=
PYTHON ?= python3
MODEL ?= digits
# Without spaces: make's functions split names at spaces.
MODEL_PATH = $(patsubst %/1,%,$(patsubst %/,%,$(subst $(empty) ,_,$(MODEL))))
OUT ?= build/$(subst :,_,$(basename $(basename $(notdir $(MODEL_PATH)))))
# A head is trained on a feature extractor: the defaults above are for export.
TRAIN_MODEL := $(if $(filter file,$(origin MODEL)),mixer_b32_sam_fe,$(MODEL))
TRAIN_OUT := $(if $(filter file,$(origin OUT)),build/mine,$(OUT))
COLLECT_OUT := $(if $(filter file,$(origin OUT)),photos,$(OUT))
# The whole board under test, and at how many random moments it loses power and starts again.
BOARD ?= pi5-bookworm
REBOOTS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
TWIN_VENV := build/twins-venv
TESTS := $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder
quote = '$(subst ','"'"',$(1))'
flag = $(if $($(1)),--$(2)=$(call quote,$($(1))))

.DEFAULT_GOAL := help
.SILENT:
.PHONY: help install export train compare sensitivity deploy collect runtimes test coverage test-browser test-broker test-cluster test-bare test-bare-bookworm \
	test-bare-trixie test-device test-board lint twin benchmark benchmark-check benchmark-page benchmark-export architecture \
	train-digits reference clean

help: ## show this list
	awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	echo
	echo "Variables, each the flag of the same name:"
	echo "  export     MODEL="$(call quote,$(MODEL))" OUT="$(call quote,$(OUT))" CALIBRATION= CALIBRATION_SAMPLES=" \
		"LABELS= VARIANTS= MAX_DROP= SELECTION= DATA="
	echo "             GEOMETRY= DECODE= PIXEL_RANGE="
	echo "  train      DATA= MODEL="$(call quote,$(TRAIN_MODEL))" OUT="$(call quote,$(TRAIN_OUT))" HELD_OUT= REFUSED= SEED= VARIANTS="
	echo "             GEOMETRY= DECODE= REPORT= CLUSTER= DATA_THERE="
	echo "  compare    OUT= DATA= VARIANTS= REFERENCE= SOURCE= MAX_DROP= LIMIT= REPORT= ON= IDENTITY="
	echo "             CLUSTER= DATA_THERE="
	echo "  deploy     OUT= PI= VARIANT= BACKEND= IDENTITY= SERVICE="
	echo "  collect    PI= OUT="$(call quote,$(COLLECT_OUT))" IDENTITY= FORGET="
	echo "  benchmark  QUICK= STAGES= PEERS= RESULTS="
	echo "  all        PYTHON="$(call quote,$(PYTHON))

$(VENV)/installed: constraints.txt runtime/pyproject.toml export/pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt --editable 'runtime[litert,serve,mqtt]' --editable 'export[cluster]'
	touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	$(PIP) install --quiet --constraint constraints.txt --requirement requirements-dev.txt
	touch $@

install: $(VENV)/installed ## create .venv with both packages

export: $(VENV)/installed ## turn MODEL into TFLite variants in OUT and print their accuracy
	$(BIN)/mixer-edge-export export $(call flag,MODEL,model) $(call flag,OUT,out) --overwrite \
		$(call flag,CALIBRATION,calibration) $(call flag,CALIBRATION_SAMPLES,calibration-samples) \
		$(call flag,LABELS,labels) $(call flag,VARIANTS,variants) $(call flag,MAX_DROP,max-drop) \
		$(call flag,SELECTION,selection) $(call flag,DATA,data) $(call flag,GEOMETRY,geometry) \
		$(call flag,DECODE,decode) $(call flag,PIXEL_RANGE,pixel-range)

train: $(VENV)/installed ## train a head for your own classes, the folders of pictures in DATA
	$(BIN)/mixer-edge-export train $(call quote,$(or $(DATA),$(error DATA is not set: make train DATA=photos))) \
		--model=$(call quote,$(TRAIN_MODEL)) --out=$(call quote,$(TRAIN_OUT)) --overwrite \
		$(call flag,HELD_OUT,held-out) $(call flag,REFUSED,refused) $(call flag,SEED,seed) \
		$(call flag,VARIANTS,variants) $(call flag,GEOMETRY,geometry) $(call flag,DECODE,decode) \
		$(call flag,REPORT,report) $(call flag,CLUSTER,cluster) $(call flag,DATA_THERE,data-there)

compare: $(VENV)/installed ## compare the accuracy of the variants in OUT on the pictures in DATA
	$(BIN)/mixer-edge-export compare $(call quote,$(OUT)) $(call flag,VARIANTS,variants) $(call flag,MAX_DROP,max-drop) \
		$(call flag,REFERENCE,reference) $(call flag,SOURCE,source) $(call flag,LIMIT,limit) $(call flag,DATA,data) \
		$(call flag,REPORT,report) $(foreach host,$(ON),--on=$(call quote,$(host))) $(call flag,IDENTITY,identity) \
		$(call flag,CLUSTER,cluster) $(call flag,DATA_THERE,data-there)

sensitivity: $(VENV)/installed ## print and plot the accuracy that each layer of OUT loses in int8
	$(BIN)/mixer-edge-export sensitivity $(call quote,$(OUT)) $(call flag,DATA,data) \
		--plot $(call quote,$(OUT)-sensitivity.svg)

deploy: $(VENV)/installed ## install the bundle OUT on the board PI and switch to it
	$(BIN)/mixer-edge-export deploy $(call quote,$(OUT)) \
		$(foreach host,$(or $(PI),$(error PI is not set: make deploy PI=pi@raspberrypi.local)),$(call quote,$(host))) \
		$(call flag,VARIANT,variant) $(call flag,BACKEND,backend) $(call flag,IDENTITY,identity) $(call flag,SERVICE,service)

collect: $(VENV)/installed ## bring the taught and captured pictures of the board PI into the folder OUT, to train on
	$(BIN)/mixer-edge-export collect \
		$(foreach host,$(or $(PI),$(error PI is not set: make collect PI=pi@raspberrypi.local)),$(call quote,$(host))) \
		--out=$(call quote,$(COLLECT_OUT)) $(call flag,IDENTITY,identity) $(if $(FORGET),--forget)

runtimes: $(VENV)/installed ## install tflite-runtime, to test the files of every export in it
	$(BIN)/mixer-edge-export runtimes

test: $(VENV)/installed-dev ## run the tests
	$(TESTS)

coverage: $(VENV)/installed-dev ## run the tests and print the lines that they do not reach
	$(TESTS) --cov --cov-report=term-missing:skip-covered

test-browser: $(VENV)/installed-dev ## open the report and the live page in a browser; needs chromium and chromedriver
	$(BIN)/python -m pytest tests/browser

test-broker: $(VENV)/installed-dev ## publish to a real MQTT broker; needs mosquitto
	$(BIN)/python -m pytest tests/broker

test-cluster: $(VENV)/installed-dev ## compare and train on real Dask clusters of this machine; needs openssl
	$(BIN)/python -m pytest tests/cluster

test-bare: test-bare-bookworm test-bare-trixie ## run export and test on bare Debian 12 and 13; needs mmdebstrap and root

test-bare-bookworm test-bare-trixie: test-bare-%:
	.ci/bare_machine.py $*

test-device: $(VENV)/installed-dev ## deploy to emulated Raspberry Pis; needs x86-64 Linux, root and chromium
	$(BIN)/python -m emulator.root
	$(BIN)/python -m pytest tests/device

test-board: $(VENV)/installed-dev ## cut the power of a whole emulated board at every write; needs x86-64 Debian and root
	MIXER_EDGE_BOARD=$(BOARD) MIXER_EDGE_REBOOTS=$(REBOOTS) $(BIN)/python -m pytest tests/board

lint: $(VENV)/installed-dev ## check style, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy runtime/src export/src
	$(BIN)/lint-imports

twin: ## write a full-size twin of the Hub module to build/twin; needs Python 3.11
	python3.11 -m venv $(TWIN_VENV)
	$(TWIN_VENV)/bin/pip install --quiet --requirement tests/export/twins/requirements.txt
	$(TWIN_VENV)/bin/python tests/export/twins/make_twins.py --full build/twin

benchmark: $(VENV)/installed-dev ## compare with other tools; QUICK=1 for a short run
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(call flag,PEERS,peers) \
		$(if $(STAGES),--stages $(foreach stage,$(STAGES),$(call quote,$(stage))))

benchmark-check: $(VENV)/installed-dev ## compare the last benchmark with docs/benchmarks.json by ratio
	$(BIN)/python -m benchmarks.results docs/benchmarks.json $(call quote,$(or $(RESULTS),build/benchmark/results.json))

benchmark-page: $(VENV)/installed-dev ## write docs/benchmarks.md from docs/benchmarks.json
	$(BIN)/python -m benchmarks.page

benchmark-export: $(VENV)/installed-dev ## compare the export of build/twin with TFLiteConverter runs
	$(BIN)/python -m benchmarks.export build/twin/mixer_b32/saved_model

architecture: $(VENV)/installed-dev ## draw docs/architecture.svg from the import rules and the sources
	$(BIN)/python docs/draw_architecture.py

train-digits: $(VENV)/installed ## train the bundled model again
	$(BIN)/mixer-edge-export train-digits --out export/src/mixer_edge_export/digits/digits.npz

reference: $(VENV)/installed-dev ## write the API reference to build/reference; fail on dead references
	$(BIN)/python -m docs.reference

clean: ## remove .venv and everything that was built
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage
