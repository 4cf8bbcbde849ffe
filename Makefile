# Two commands for a newcomer: `make demo` and `make test`. Both make their environment in .venv first.
PYTHON ?= python3
PY := .venv/bin/python
BUDGET ?= 8MB
WAV ?=
MINUTES ?= 60
HOURS ?= 1
COUNT ?= 100
SPEECH ?= ../shared/data/speech
RECORDINGS ?=
# tests: two processes where there are two cores; more would each hold torch in memory
JOBS ?= $(shell $(PYTHON) -c "import os; print(2 if (os.cpu_count() or 1) > 1 else 0)")
# 1: install exactly what .ci/requirements.lock says, by hash; else what pyproject.toml asks for
LOCKED ?=
ARTEFACT ?= build/demo/model.pte
CAPS ?=

.PHONY: validators live-report mic-report page-report setup lock demo test slow check isa sanitize fuzz faults soak load sbom bench families kernels table2 seeds web clean
setup: .venv/$(if $(LOCKED),.locked,.ready)

# `venv` leaves the interpreter of a standing .venv as it is: one that another Python made is made anew
define MAKE_VENV
@$(PYTHON) -c "import sys; sys.version_info >= (3, 10) or sys.exit('error: $(PYTHON) is Python ' + sys.version.split()[0] + ', and 3.10 or later is needed: name one, as in make demo PYTHON=python3.12')"
$(PYTHON) -m venv $$(test "$$($(PY) -V 2>&1)" = "$$($(PYTHON) -V 2>&1)" || echo --clear) .venv
endef

.venv/.ready: pyproject.toml
	$(MAKE_VENV)
	rm -f .venv/.locked
	$(PY) -m pip install -q -e '.[train,corpus,export,viewer,profile,native,dev]'
	touch $@

# a stamp of its own: what was installed without the lock is not what it says
.venv/.locked: pyproject.toml .ci/requirements.lock
	$(MAKE_VENV)
	$(PY) -m pip install -q --require-hashes -r .ci/requirements.lock
	$(PY) -m pip install -q --no-deps --no-build-isolation -e .
	touch .venv/.ready $@

# .ci/requirements.lock anew, when pyproject.toml asks for something else or for newer releases; on what CI runs on
lock: setup
	$(PY) -m pip install -q -e '.[supply]'
	$(PY) -m tests.lock

# export the default student under the budget, then animate a spoken sentence; everything lands in build/demo/
demo: setup
	$(PY) -m export.build --budget $(BUDGET) --out build/demo
ifneq ($(WAV),)
	$(PY) -m distill.recipes.aligned "$(WAV)" --out build/demo/phones.json
	$(PY) -m runtime_examples.animate build/demo/model.pte --audio "$(WAV)" --phones build/demo/phones.json --out build/demo
else
	$(PY) -m runtime_examples.animate build/demo/model.pte --out build/demo
endif

# JOBS: by so many processes, each file of tests in one of them (0: in this one, always in the same order); one that
# crashes ends the run, which would else wait for it for ever
test: setup
	OMP_NUM_THREADS=1 $(PY) -m pytest -m "not slow" -n $(JOBS) --dist loadfile --no-loadscope-reorder --max-worker-restart 0

# what takes minutes by itself: real programs built, timed and scored
slow: setup
	$(PY) -m pytest -m slow

check: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

# the numeric tests under each cap that a processor can be asked for, or under CAPS alone: as if it had nothing better
isa: setup
	$(PY) -m tests.isa $(addprefix --cap ,$(CAPS))

# the C library without a runtime and its test programs under AddressSanitizer with UBSan, then under ThreadSanitizer:
# damaged and lying artefacts, threads, tracks, a long take, a soak; needs cmake and a C++ compiler
sanitize: setup
	$(PY) -m export.build --student s8 --backend tinyface --precision int8 --budget 8MB --out build/sanitized/s8
	$(PY) -m sdk.c.build --alone --no-examples --sanitize address --out build/sanitized/address --check build/sanitized/s8/model.pte
	$(PY) -m sdk.c.build --alone --no-examples --sanitize thread --out build/sanitized/thread --check build/sanitized/s8/model.pte

# damaged and lying files against every reader, MINUTES of processor time of each; goes on from the last run's finds;
# what escapes is kept in tests/kept
fuzz: setup
	$(PY) -m pip install -q -e '.[fuzz]'
	$(PY) -m tests.guided --minutes $(MINUTES)

# kill -9 COUNT times over each command that writes: nothing half-written is read, nothing is left
faults: setup
	$(PY) -m tests.kills $(ARTEFACT) --kills $(COUNT)

# HOURS of audio through every engine that plays ARTEFACT, in Python and in C: no frame out of its place, no memory gained
soak: setup
	$(PY) -m sdk.c.build --tests --out build/native-tests
	$(PY) -m tests.soak $(ARTEFACT) --hours $(HOURS) --program build/native-tests/bin/soak

# a corpus of HOURS from the recordings of SPEECH: labelled by Ray with a node killed, trained on by 0, 1 and 2 readers
load: setup
	$(PY) -m tests.load --hours $(HOURS) --speech $(SPEECH) --out build/load

# what the environment is made of: a CycloneDX bill of materials, and the table of licences
sbom: setup
	$(PY) -m pip install -q -e '.[supply]'
	$(PY) -m cyclonedx_py environment $(PY) --output-format JSON -o build/sbom.json
	$(PY) -m tests.licences

bench: setup
	$(PY) -m tests.bench

# window and stream students side by side, on one core; needs cmake and g++
families: setup
	$(PY) -m tests.families

# our own kernels and XNNPACK side by side, on one core; needs cmake and g++
kernels: setup
	$(PY) -m tests.kernels

# the paper's Table 2 and figures 4 and 6 to 8 from checkpoints/table2, into docs/; scores are those in the checkpoints
table2: setup
	$(PY) -m pip install -q -e '.[ears]'
	$(PY) -m export.table2

# the seeds' tables from nothing: corpus, DiffusionTalker, CodeTalker, styles, into build/seeds; what is there is kept.
# RECORDINGS: folders of real people with clips.tsv, for retrieval. Some 45 minutes of CPU on one thread; the corpus's speech takes 1.5 of
# its own. What each command took is kept in build/seeds/cpu.json. SMALL=1: a rehearsal of all of it
seeds: setup
	$(PY) -m pip install -q -e '.[corpus,ears]'
	$(PY) -m distill.recipes.seeds --out build/seeds$(if $(SMALL),-small --small) $(if $(RECORDINGS),--recordings $(RECORDINGS))

# live streams received by other processes for five minutes each; and a microphone on a sound card that is not there
live-report: setup
	$(PY) -m tests.live_report

mic-report: setup
	$(PY) -m tests.mic_report build/demo/model.pte --wav $(WAV)

# the page in a headless browser: a fake microphone for a minute, late frames, hops, memory, pictures into build/
page-report: setup
	$(PY) -m tests.page_report --wav $(WAV)

# other people's readers that are not Python: Khronos' glTF validator, for the tests that ask for it
validators:
	npm install --silent --no-fund --no-audit --prefix build/node gltf-validator

# a page in which a head talks: built into build/web, served on http://127.0.0.1:8017; needs cmake
web: setup
	$(PY) -m pip install -q -e '.[targets]'
	$(PY) -m runtime_examples.web

clean:
	rm -rf build .venv
