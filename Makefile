# The front door: make all | everything | studies | new-study | paper | report | claims | grid | plan | explore | test | test-faults | bench | lab | compare | watch | status | why | arxiv | clean | help
#
#   make all                      the beta2 study on the laptop profile
#   make all PROFILE=smoke -j2    any profile, any number of jobs
#   make all SET='optim.lr=6e-4 seed=271' STUDY=beta2 LAUNCH='srun --gres=gpu:1'

STUDY    ?= beta2
PROFILE  ?= laptop
SET      ?=
SEEDS    ?=
ONLY     ?=
SINCE    ?=
LAUNCH   ?=
OUTPUTS  ?= outputs
NOTEBOOK ?= 01_train

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

ifneq ($(filter 3.% 4.0% 4.1% 4.2%,$(MAKE_VERSION)),)
$(error GNU Make 4.3 or newer is needed, this is $(MAKE_VERSION))
endif

# PYTHON=... uses an environment of yours as it is; otherwise make keeps its own in .venv. Installed by content: a
# checkout or a touch of requirements.txt installs nothing.
ifdef PYTHON
PY         := $(PYTHON)
else
PY         := .venv/bin/python
READY      := $(shell test -x .venv/bin/python && cmp -s requirements.txt .venv/ready || echo .venv/ready)
READY      += $(shell pwd | cmp -s - .venv/importable || echo .venv/importable)
TEST_READY := $(shell cmp -s tests/requirements.txt .venv/test-ready || echo .venv/test-ready)
endif

# `make -q` asks python alone: any line of ours beside its own would be something to do.
LATEX := $(if $(findstring q,$(firstword -$(MAKEFLAGS))),,latex)

# What is given reaches python as it was typed: neither make nor the shell runs anything that stands in it, and
# the make that runs the stages does not get it a second time.
GIVEN := STUDY PROFILE SET SEEDS ONLY SINCE OUTPUTS NOTEBOOK PARAMS FROM TO CKPTS RUN RUNS METRIC SIZES NAME
define line_break


endef
$(foreach name,$(GIVEN),$(if $(findstring $(line_break),$(value $(name))),$(error $(name) has a line break; it is one line)))
given = '$(subst ','\'',$(value $(1)))'
unexport $(GIVEN) PYTHONINSPECT PYTHONSAFEPATH
MAKEOVERRIDES :=

STUDY_OPTIONS = --study=$(call given,STUDY) $(GRID_OPTIONS)
GRID_OPTIONS = --profile=$(call given,PROFILE) --set=$(call given,SET) --seeds=$(call given,SEEDS) --outputs=$(call given,OUTPUTS)
SOME = --only=$(call given,ONLY) --since=$(call given,SINCE)
export LAUNCH MAKE
.PHONY: help all everything studies new-study grid plan explore compare watch paper report claims arxiv pack test test-faults bench lab status why clean setup latex

help:
	@echo 'make all       everything: runs, measurements, paper/build/$(STUDY).pdf and the HTML report; resumes what was interrupted'
	@echo 'make studies   the studies that there are; make everything makes all of them'
	@echo 'make new-study a study of your own, begun as a copy: make new-study NAME=width FROM=beta2'
	@echo 'make grid      the runs and measurements of a params file of your own: make grid PARAMS=my.yaml'
	@echo 'make explore   notebooks on runs trained by other code: make explore CKPTS=folder-of-ckpt_XXXXXX.pt'
	@echo 'make test      the test suite; make test-faults breaks things on purpose (five to ten minutes)'
	@echo 'make bench     how fast this machine is at it, beside a plain way of doing the same (twelve minutes)'
	@echo 'make lab       open a run in JupyterLab: make lab RUN=b20.95 NOTEBOOK=02_pca'
	@echo 'make paper     the paper again, from what is there; make report, make claims, make arxiv likewise'
	@echo 'make pack      the results of a study without its snapshots, a few MB: make paper FROM=results/beta2-laptop'
	@echo "make compare   runs beside each other, of any studies: make compare RUNS='b20.95 b20.80' METRIC=val_loss"
	@echo 'make watch     the page that compares the runs of a study, written anew while they go on'
	@echo 'make status    runs and stages: done, step, rate, time left'
	@echo 'make why       what would run, and because of what'
	@echo 'make plan      the runs, where their parameters are from, how long they train; nothing is run'
	@echo 'make clean     remove runs that were set aside; results stay'
	@echo
	@echo PROFILE=$(call given,PROFILE)'   smoke (seconds) | laptop (minutes, two cores) | paper (51M parameters, one GPU)'
	@echo STUDY=$(call given,STUDY)'      a name in params/ or a params file'
	@echo "SET=             parameters by dotted name: SET='optim.lr=6e-4 seed=271'"
	@echo 'SEEDS=           how many seeds, each with every value of the axes (laptop: 3): make all SEEDS=10'
	@echo "ONLY=            some runs or arms alone, by name or a part of it; SINCE= from that number of make plan on"
	@echo "LAUNCH=          what each run is started by: LAUNCH='srun --gres=gpu:1'"
	@echo OUTPUTS=$(call given,OUTPUTS)'  where results go'
	@echo 'SIZES=           of the geometry that make bench measures: laptop middle large paper'
	@echo 'PYTHON=          a Python with the packages of requirements.txt; without it make keeps .venv'
	@echo '-jN              N stages at a time (default: one a core, one on a GPU)'

all: $(READY) $(LATEX)
	+@$(PY) -m lib make $(STUDY_OPTIONS) $(SOME)

everything: $(READY) $(LATEX)
	+@$(PY) -m lib everything $(GRID_OPTIONS)

studies: $(READY)
	@$(PY) -m lib studies --outputs=$(call given,OUTPUTS)

new-study: $(READY)
	@test -n $(call given,NAME) || { echo "error: make new-study needs NAME=, the name of the new study" >&2; exit 2; }
	@$(PY) -m lib new-study $(if $(value FROM),--from=$(call given,FROM)) -- $(call given,NAME)

paper report claims arxiv: $(READY)
	@$(PY) -m lib $@ $(STUDY_OPTIONS) $(if $(value FROM),--from=$(call given,FROM))

pack: $(READY)
	@$(PY) -m lib pack $(STUDY_OPTIONS) $(if $(value TO),--to=$(call given,TO))

# Where LaTeX is missing and cannot be installed without asking, everything but the PDF is still made.
latex:
	@sh paper/install-latex.sh || echo 'going on without the PDF'

explore: $(READY)
	@test -n $(call given,CKPTS) || { echo "error: make explore needs CKPTS=, a folder of ckpt_XXXXXX.pt files" >&2; exit 2; }
	@$(PY) -m lib explore --set=$(call given,SET) --outputs=$(call given,OUTPUTS) -- $(call given,CKPTS)

grid: $(READY)
	+@test -n $(call given,PARAMS) || { echo "error: make grid needs PARAMS=my.yaml, a study of your own" >&2; exit 2; }
	+@$(PY) -m lib make --runs-only --study=$(call given,PARAMS) $(GRID_OPTIONS) $(SOME)

status why plan: $(READY)
	@$(PY) -m lib $@ $(STUDY_OPTIONS) $(SOME)

clean: $(READY)
	@$(PY) -m lib $@ $(STUDY_OPTIONS)

compare: $(READY)
	@$(PY) -m lib compare $(STUDY_OPTIONS) --runs=$(call given,RUNS) --metric=$(call given,METRIC)

watch: $(READY)
	@$(PY) -m lib watch $(STUDY_OPTIONS)

lab: $(READY)
	@test -n $(call given,RUN) || { echo "error: make lab needs RUN=, a run's folder or a part of its name" >&2; exit 2; }
	@$(PY) -m lib lab --notebook=$(call given,NOTEBOOK) --outputs=$(call given,OUTPUTS) -- $(call given,RUN)

bench: $(READY)
	@$(PY) -m bench --outputs=$(call given,OUTPUTS) $(if $(value SIZES),--sizes=$(call given,SIZES))

# Workers share the cores: a second thread of each would wait for those of the others.
test test-faults: export OMP_NUM_THREADS := 1

test: $(READY) $(TEST_READY)
	@$(PY) -m pytest -n 3 --dist loadfile --no-loadscope-reorder -q $(or $(TESTS),--ignore=tests/faults tests)

# What happens when it breaks: kills, full disks, damaged files, jobs that are put back into a queue.
test-faults: $(READY) $(TEST_READY)
	@$(PY) -m pytest -n 4 --dist loadfile --no-loadscope-reorder -q $(or $(TESTS),tests/faults)

# In .venv all notebooks find the project; in an environment of yours they do after `make setup PYTHON=...`.
setup: $(READY)
	@$(PY) -m lib importable

# What was half made, or belonged to a Python that is gone, is made anew.
ifndef PYTHON
.venv/ready: FORCE
	@test -x .venv/bin/python && cmp -s requirements.txt $@ || { \
	  python3 -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "error: Python 3.11 or newer is needed, python3 is %d.%d; name another with PYTHON=" % v[:2])' \
	  && echo 'setting up .venv from requirements.txt (about two minutes, 1.8 GB)' \
	  && { .venv/bin/python -m pip --version >/dev/null 2>&1 || python3 -m venv --clear .venv; } \
	  && .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt \
	  && cp requirements.txt $@; }

.venv/importable: FORCE | .venv/ready
	@pwd | cmp -s - $@ || { .venv/bin/python -m lib importable >/dev/null && pwd >$@; }

.venv/test-ready: FORCE | .venv/ready
	@cmp -s tests/requirements.txt $@ || { \
	  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/requirements.txt \
	  && cp tests/requirements.txt $@; }
.PHONY: FORCE
FORCE:
endif
