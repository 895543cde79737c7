# Batchmark: all commands start here. `make help` lists the targets.
#   CC=clang   another compiler      V=1   show the commands      JOBS=4   compile 4 files at once

comma := ,
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
# On a terminal each step overwrites the line of the step before. It counts the objects that were never built here.
overwrite := $(if $(filter 1,$(V)),,$(MAKE_TERMOUT))
count = $(eval steps += x)$(words $(steps))$(if $(missing), of $(words $(missing)))
say = $(if $(overwrite),@printf '\r\033[K  $(1) %s' '$(2) ($(count))',@echo '  $(1) $(2)')
say_last = $(if $(overwrite),@printf '\r\033[K  $(1) %s\n' '$(2)',@echo '  $(1) $(2)')
PYTHON ?= /usr/bin/python3
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
CROSS ?=
ifneq ($(CROSS),)
CC := $(CROSS)gcc
CXX := $(CROSS)g++
endif
ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin CXX),default)
CXX := $(if $(findstring clang,$(CC)),clang++,g++)
endif
export CC CXX PYTHON

# Sanitizer builds: make SANITIZE=address ...; see the targets asan and ubsan.
SANITIZE ?=
# WERROR=-Werror makes warnings errors, in a build of its own; see the target lint.
WERROR ?=
# A compiler that the set-up has yet to install is assumed to compile for this machine.
ARCH := $(or $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null))),$(shell uname -m))
DEBUG := -g

warnings := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wundef -Wwrite-strings
sanitize := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)
common := -std=gnu17 $(DEBUG) $(warnings) $(WERROR) $(sanitize) -fno-math-errno -MMD -MP
# Builds that are never timed compile in half the time.
optimise := $(if $(SANITIZE)$(WERROR),-O1,-O3)
kernel_cflags := $(common) $(optimise) -Ikernels -fopenmp-simd
# If the compiler fused multiplications and additions, a seed would not give the same images and weights everywhere.
harness_cflags := $(common) -O2 -ffp-contract=off -Ikernels -Iharness -fopenmp
shim_cxxflags := -std=c++17 -O2 $(DEBUG) -Wall -Wextra -Wshadow $(WERROR) $(sanitize) -Ikernels -Iharness -MMD -MP

# Words of a kernel's file name, split at _, that select compile flags.
flags_avx2 := -mavx2 -mfma
flags_avx512 := -mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma -mprefer-vector-width=512
flags_avx512bf16 := $(flags_avx512) -mavx512bf16
flags_omp := -fopenmp
flags_ref := -ffp-contract=off
flags_onednn := -fopenmp
flags_openblas = -fopenmp $(openblas_include:%=-I%)

# Peers, only in builds that are timed. If a library is missing, its variants are left out. OpenBLAS must be the OpenMP
# build: another one has its own threads, and there would be twice as many threads as cores.
peers := onednn openblas
timed := $(if $(CROSS)$(SANITIZE),,yes)
probe = $(shell CXX='$(CXX)' scripts/setup/probe.sh '$(1)' 2>/dev/null)
onednn := $(if $(timed),$(if $(call probe,header:dnnl.h),-ldnnl))
openblas := $(if $(timed),$(call probe,file:/usr/lib/$(ARCH)-linux-gnu/openblas-openmp/libopenblas.so|/usr/lib64/libopenblaso.so))
openblas_include := $(call probe,file:/usr/include/$(ARCH)-linux-gnu/openblas-openmp|/usr/include/openblas)
onednn_version = $(call probe,macro:dnnl_version.h:DNNL_VERSION_MAJOR$(comma)DNNL_VERSION_MINOR$(comma)DNNL_VERSION_PATCH)
openblas_version = $(patsubst OpenBLAS%,%,$(call probe,macro:$(openblas_include)/openblas_config.h:OPENBLAS_VERSION))
# One phrase for each library, printed when the build is configured.
found_onednn = oneDNN$(if $(onednn), $(onednn_version): yes,: not found$(comma) its rows are left out)
found_openblas = OpenBLAS$(if $(openblas), $(openblas_version): yes,: not found$(comma) its rows are left out)
found = $(found_onednn); $(found_openblas)$(if $(absent),; make peers installs $(absent))
absent := $(strip $(foreach p,$(peers),$(if $($(p)),,$(p))))

# Objects are kept by what made them, so that sanitizer, cross and release objects never mix.
config := $(ARCH)-$(notdir $(CC))$(if $(SANITIZE),-$(SANITIZE))$(if $(WERROR),-werror)
out := build/$(config)
native := $(if $(CROSS)$(SANITIZE)$(WERROR),,yes)
batchmark := $(if $(native),build/batchmark,$(out)/batchmark)

kernel_files := $(sort $(wildcard kernels/*/[0-9][0-9]_*.c))
# Fuzz targets use the simplest kernels: a network needs some, and they compile quickly.
fuzzing := $(findstring fuzzer,$(SANITIZE))
ifneq ($(fuzzing),)
kernel_files := $(filter %/00_ref.c %/10_naive.c,$(kernel_files))
endif
foreign_words := $(if $(filter x86_64,$(ARCH)),neon,avx2 avx512 avx512bf16 sse2)
# Not named `words`: that is a function of make, which call would prefer.
name_words = $(subst _, ,$(notdir $(basename $(1))))
built := $(foreach f,$(kernel_files),$(if $(filter $(foreign_words) $(absent),$(call name_words,$(f))),,$(f)))
layer_files := $(foreach f,$(sort $(wildcard kernels/layers/*.c)),$(if $(filter $(foreign_words),$(call name_words,$(f))),,$(f)))
harness_files := $(sort $(filter-out harness/cli/main.c,$(wildcard harness/*/*.c)))
shim_files := $(sort $(wildcard harness/*/*.cc))
set_files := $(sort $(wildcard harness/problem/sets/*.txt))
test_files := $(sort $(wildcard tests/*/test_*.c))
libraries := -lbenchmark -lhwloc -ljansson -lz -lm -lpthread
libraries += $(onednn) $(openblas) $(openblas:%=-Wl,-rpath,$(dir $(openblas)))

kernel_objects := $(patsubst %.c,$(out)/%.o,$(built) $(layer_files))
objects := $(kernel_objects) $(patsubst %.c,$(out)/%.o,$(harness_files)) \
           $(patsubst %.cc,$(out)/%.o,$(shim_files)) $(out)/table.o $(out)/sets.o $(out)/build_info.o
missing := $(filter-out $(wildcard $(objects)),$(objects))
# Objects without a source, which would break a link made by hand.
stale = $(filter-out $(objects) $(out)/harness/cli/main.o $(out)/tests/%,$(shell find $(out) -name '*.o'))
test_programs := $(test_files:tests/%.c=$(out)/tests/%)
fuzz_programs := $(patsubst tests/%.c,$(out)/tests/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

# Packages that a target needs: scripts/setup/setup.sh installs or names them, and prints nothing if they are there.
setup = $(Q)scripts/setup/setup.sh $(1) $(if $(findstring clang,$(CC)),clang)
# The same make, with as many jobs as cores unless -j is given.
parallel = $(Q)+$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))

# Quotes a text as one word of the shell.
quoted = '$(subst ','\'',$(1))'
# The runs to compare, if any are named; at least two. MORE is a list, so its folders have no spaces or are quoted.
name_two = $(error name two runs: make $@ A=FOLDER B=FOLDER)
runs = $(if $(A)$(B),$(if $(and $(A),$(B)),$(call quoted,$(A)) $(call quoted,$(B)) $(MORE),$(name_two)))
# Those runs, or the one that is named, or nothing: the newest.
shown = $(or $(runs),$(if $(RESULTS),$(call quoted,$(RESULTS))))
out_option = $(if $(OUT),--out $(call quoted,$(OUT)))

.DEFAULT_GOAL := help
venv := build/venv

.PHONY: help
## help: this list
help:
	@grep -hE '^## ' $(firstword $(MAKEFILE_LIST)) | sed 's/^## //' | awk '{ name = $$1; sub(/:$$/, "", name); sub(/^[^ ]* /, ""); printf "  %-15s %s\n", name, $$0 }'

.PHONY: build
## build: compile build/batchmark
build:
	$(call setup,$(if $(CROSS),neon,build))
	$(parallel) $(batchmark)

.PHONY: bench
## bench: verify, measure and train for five minutes; then a table, pictures and a verdict
bench:
	$(call setup,build plots)
	$(parallel) $(batchmark)
	$(Q)scripts/results/bench.sh quick

.PHONY: bench-full
## bench-full: the same over every problem and variant; hours
bench-full:
	$(call setup,build plots)
	$(parallel) $(batchmark)
	$(Q)scripts/results/bench.sh full

.PHONY: test
## test: all tests of kernels, harness and scripts (T=text: only tests with that text in their name)
test:
	$(call setup,build test plots)
	$(parallel) $(batchmark) $(test_programs) $(fuzz_programs)
	$(Q)$(PYTHON) tests/run.py $(if $(T),--pattern '$(T)') $(batchmark) $(test_programs) $(fuzz_programs)

.PHONY: test-skipped
## test-skipped: install what the skipped tests of make test need, PyTorch included, and run them
test-skipped: $(venv)/torch
	$(Q)scripts/setup/setup.sh --optional build test plots lint peers
	$(parallel) test-again
.PHONY: test-again
test-again: $(batchmark) $(test_programs)
	$(Q)$(PYTHON) tests/run.py --again $(batchmark) $(test_programs)

.PHONY: fresh
## fresh: make test, make bench and make report as first commands in bare Debian roots (needs root; LIMIT=seconds)
fresh:
	$(Q)LIMIT='$(LIMIT)' scripts/setup/fresh.sh

.PHONY: verify
## verify: every variant against the float64 references (SET=smoke, tails, seeds, ... or a file)
SET ?= tails
verify: build
	$(Q)$(batchmark) verify --set $(SET)

.PHONY: data
## data: download CIFAR-10, CIFAR-100 and MNIST (SETS="cifar-10 mnist" DIR=folder FROM=another address)
DIR ?= build/data
data:
	$(call setup,data)
	$(Q)$(PYTHON) -B scripts/setup/fetch_data.py --to '$(DIR)' $(if $(FROM),--from '$(FROM)') $(SETS)

.PHONY: train
## train: one network (PRESET=lenet DATA=synthetic or a directory; more options in ARGS)
PRESET ?= lenet
DATA ?= synthetic
train: build
	$(Q)$(batchmark) train $(PRESET) --data $(DATA) $(ARGS)

.PHONY: plots
## plots: draw the newest results (RESULTS=folder: that run), or a comparison of runs (A= B= MORE= OUT=folder)
plots:
	$(call setup,plots$(if $(A)$(B), compare))
	$(Q)$(PYTHON) -B scripts/results/plots.py $(shown) $(out_option)

.PHONY: report
## report: one HTML file about the newest run (RESULTS=folder: that), or about a comparison (A= B= MORE= ACROSS=1 OUT=file)
report:
	$(call setup,plots report$(if $(A)$(B), compare))
	$(if $(runs),,$(Q)$(PYTHON) -B scripts/results/plots.py $(shown))
	$(Q)$(PYTHON) -B scripts/results/report.py $(shown) $(if $(ACROSS),--across) $(if $(ANYWAY),--anyway) $(out_option)

.PHONY: compare
## compare: two or more runs, A=FOLDER B=FOLDER MORE="FOLDER ..." (ACROSS=1: best variants, ANYWAY=1, ALL=1, OUT=DIR)
compare:
	$(call setup,compare)
	$(Q)$(PYTHON) -B scripts/results/compare.py $(or $(runs),$(name_two)) $(if $(ACROSS),--across) $(if $(ANYWAY),--anyway) \
	    $(if $(ALL),--all) $(out_option)

.PHONY: check-results
## check-results: check every run under results/ against results/schema.json (RUNS="FOLDER ...": only those)
check-results:
	$(call setup,check)
	$(Q)$(PYTHON) -B scripts/results/check_results.py $(RUNS)

.PHONY: bench-levels
## bench-levels: measure a subset at every ISA level of this CPU and compare (THREADS=1,max PATTERN= LIMIT=seconds)
bench-levels: build
	$(call setup,compare)
	$(Q)THREADS='$(THREADS)' PATTERN='$(PATTERN)' LIMIT='$(LIMIT)' scripts/results/bench_axis.sh levels

.PHONY: bench-compilers
## bench-compilers: the same for builds of gcc and clang, each with its OpenMP runtime
bench-compilers:
	$(call setup,build clang compare)
	$(parallel) CC=clang CXX=clang++ build
	$(parallel) CC=gcc CXX=g++ build
	$(Q)ln -sf $(ARCH)-gcc/batchmark build/batchmark
	$(Q)THREADS='$(THREADS)' PATTERN='$(PATTERN)' LIMIT='$(LIMIT)' scripts/results/bench_axis.sh compilers

.PHONY: selftest-bench
## selftest-bench: does the benchmark agree with itself, and detect a slowdown of 5 %? (PROCESSES=5 of each, PATTERN=)
selftest-bench: build
	$(call setup,compare)
	$(Q)$(PYTHON) -B scripts/results/selftest_bench.py $(if $(PROCESSES),--processes $(PROCESSES)) $(if $(PATTERN),--pattern '$(PATTERN)')

.PHONY: peers
## peers: time our kernels against oneDNN's and OpenBLAS's (SETS="seeds resnet50" OPS='conv_*' LIMIT=seconds a set)
peers:
	$(call setup,build peers)
	$(parallel) $(batchmark)
	$(Q)SETS='$(SETS)' OPS='$(OPS)' LIMIT='$(LIMIT)' scripts/results/peers.sh

.PHONY: parity
## parity: compare training with PyTorch step by step (DATA=folder, ARGS='lenet --optimizers own'; fetches PyTorch)
parity: $(venv)/torch
	$(parallel) $(batchmark)
	$(Q)$(venv)/bin/python -B scripts/parity/parity.py $(if $(filter-out synthetic,$(DATA)),--data '$(DATA)') $(ARGS)

.PHONY: peers-train
## peers-train: images per second of every network, in ours and in PyTorch (DATA=folder, ARGS=lenet; fetches PyTorch)
peers-train: $(venv)/torch
	$(parallel) $(batchmark)
	$(Q)$(venv)/bin/python -B scripts/parity/peers_train.py $(if $(filter-out synthetic,$(DATA)),--data '$(DATA)') $(ARGS)

.PHONY: experiments experiments-full
## experiments: test the claims about batch normalization, in an hour (DATA=folder; DATA=synthetic for made-up images)
## experiments-full: the same with more images, seeds and the deep networks; many hours
experiments: size := quick
experiments-full: size := full
experiments experiments-full:
	$(call setup,build plots compare)
	$(parallel) $(batchmark)
	$(Q)$(PYTHON) -B scripts/experiments/experiments.py --size $(size) \
	    --data '$(if $(filter command% environment%,$(origin DATA)),$(DATA),build/data)' $(ARGS)

.PHONY: scaling
## scaling: how much faster our best kernels are on more threads (SET=seeds LIMIT=seconds THREADS=1,max)
scaling: SET := $(if $(filter command% environment%,$(origin SET)),$(SET),seeds)
scaling: build
	$(call setup,plots)
	$(Q)$(batchmark) bench --plan scaling --set $(SET) $(if $(THREADS),--threads $(THREADS)) $(if $(LIMIT),--limit $(LIMIT))
	$(Q)$(PYTHON) -B scripts/results/scaling.py
	$(Q)$(PYTHON) -B scripts/results/plots.py

.PHONY: shapes
## shapes: which algorithm of convolution is the fastest for which shape, at each ISA level (LIMIT=30m; SET=shapes)
shapes: SET := $(if $(filter command% environment%,$(origin SET)),$(SET),shapes)
shapes: build
	$(call setup,plots)
	$(Q)$(PYTHON) -B scripts/results/shapes.py $(batchmark) --set $(SET) --limit $(or $(LIMIT),30m)

.PHONY: neon
## neon: cross-build everything for AArch64 and test it under emulation (scripts/checks/neon.sh says where)
neon:
	$(Q)scripts/checks/neon.sh

.PHONY: oldcpu
## oldcpu: verify as on CPUs without AVX and without AVX-512
oldcpu:
	$(call setup,build oldcpu)
	$(parallel) $(batchmark)
	$(Q)scripts/checks/emulate.sh

.PHONY: threads
## threads: verify on 5 to 200 threads, more than there are cores, and train on 9 and 64
threads: build
	$(Q)scripts/checks/threads.sh $(batchmark)

.PHONY: asan ubsan sanitize
## asan: verify with the address sanitizer
asan: sanitizers := address
## ubsan: verify with the undefined behaviour sanitizer
ubsan: sanitizers := undefined
## sanitize: both sanitizers in one build
sanitize: sanitizers := address,undefined
asan ubsan sanitize:
	$(call setup,build)
	$(parallel) SANITIZE=$(sanitizers) build
	$(Q)scripts/checks/sanitize.sh build/$(config)-$(sanitizers)/batchmark

.PHONY: fuzz fuzz-programs
FUZZ_SECONDS ?= 60
fuzz_sanitizers := fuzzer-no-link,address,undefined
## fuzz: feed broken files and texts to all readers, FUZZ_SECONDS=60 each (T=text: only targets named so; needs clang)
fuzz:
	$(call setup,build fuzz)
	$(parallel) CC=clang CXX=clang++ SANITIZE=$(fuzz_sanitizers) fuzz-programs
	$(Q)scripts/checks/fuzz.sh build/$(ARCH)-clang-$(fuzz_sanitizers)/tests/fuzz $(FUZZ_SECONDS) '$(T)'
fuzz-programs: $(fuzz_programs)

.PHONY: lint
## lint: formatting, warnings, rules for files and names, spills in hot loops
lint:
	$(call setup,build lint)
	$(Q)$(PYTHON) scripts/checks/lint.py
	$(parallel) $(batchmark)
	$(parallel) WERROR=-Werror objects
	$(Q)if command -v clang >/dev/null; then \
	    $(MAKE) --no-print-directory -j$(JOBS) CC=clang CXX=clang++ WERROR=-Werror objects; \
	else echo "lint: no clang here: only gcc's warnings were checked"; fi
	$(Q)$(PYTHON) scripts/checks/check_spills.py build/$(config)

.PHONY: clean
## clean: remove build/
clean:
	rm -rf build

# The following targets are files.

$(venv)/torch: scripts/setup/torch.txt
	$(call setup,build torch)
	$(Q)$(PYTHON) -m venv $(venv)
	$(Q)$(venv)/bin/pip install --quiet --requirement $<
	$(Q)touch $@

.PHONY: programs
programs: $(batchmark) $(test_programs)

.PHONY: objects
objects: $(objects) $(out)/harness/cli/main.o

build/batchmark: $(out)/batchmark
	$(Q)ln -sf $(config)/batchmark $@

$(out)/batchmark: $(out)/harness/cli/main.o $(objects)
	$(call say_last,LINK ,$@)
	$(Q)rm -f $(stale) $(patsubst %.o,%.d,$(stale))
	$(Q)$(CXX) $(sanitize) -fopenmp -o $@ $^ $(libraries)

$(out)/tests/%: $(out)/tests/%.o $(objects)
	$(call say_last,LINK ,$@)
	$(Q)$(CXX) $(sanitize) -fopenmp -o $@ $^ -lcmocka $(libraries)

# Linked to libFuzzer in its build; in the others to what hands them the files of tests/fuzz/corpus.
$(out)/tests/fuzz/%: $(out)/tests/fuzz/%.o $(if $(fuzzing),,$(out)/tests/fuzz/replay.o) $(objects)
	$(call say_last,LINK ,$@)
	$(Q)$(CXX) $(subst -no-link,,$(sanitize)) -fopenmp -o $@ $^ $(libraries)

$(out)/kernels/layers/%.o: kernels/layers/%.c $(out)/flags.txt
	@mkdir -p $(@D)
	$(call say,CC   ,$<)
	$(Q)$(CC) $(kernel_cflags) $(foreach w,$(call name_words,$<) omp,$(flags_$(w))) -c -o $@ $<

$(out)/kernels/%.o: kernels/%.c $(out)/flags.txt
	@mkdir -p $(@D)
	$(call say,CC   ,$<)
	$(Q)$(CC) $(kernel_cflags) $(foreach w,$(call name_words,$<),$(flags_$(w))) -c -o $@ $<

$(out)/harness/%.o: harness/%.c $(out)/flags.txt
	@mkdir -p $(@D)
	$(call say,CC   ,$<)
	$(Q)$(CC) $(harness_cflags) -c -o $@ $<

$(out)/tests/%.o: tests/%.c $(out)/flags.txt
	@mkdir -p $(@D)
	$(call say,CC   ,$<)
	$(Q)$(CC) $(harness_cflags) -Itests -c -o $@ $<

$(out)/harness/%.o: harness/%.cc $(out)/flags.txt
	@mkdir -p $(@D)
	$(call say,CXX  ,$<)
	$(Q)$(CXX) $(shim_cxxflags) -c -o $@ $<

# Written only if its content changes, so that only then its dependents are rebuilt: other flags or another compiler
# rebuild everything, another list of kernels the table, another commit the provenance in results.
define flags_text
$(CC) $(shell $(CC) --version 2>/dev/null | head -n 1)
$(kernel_cflags) $(foreach w,avx2 avx512 avx512bf16 omp ref,/ $(w): $(flags_$(w)))
$(harness_cflags)
$(CXX) $(shim_cxxflags)
endef
export flags_text
.PHONY: FORCE
$(out)/flags.txt: FORCE
	@mkdir -p $(@D)
	@printenv flags_text | cmp -s - $@ || printenv flags_text > $@
$(out)/files.txt: FORCE
	@mkdir -p $(@D)
	@echo '$(kernel_files) absent: $(absent)' | cmp -s - $@ || { $(if $(timed),echo '  FOUND $(found)';) \
	    echo '$(kernel_files) absent: $(absent)' > $@; }
$(out)/build_info.c: FORCE
	@mkdir -p $(@D)
	@harness/bench/build_info.sh '$(kernel_cflags)' '$(harness_cflags)' \
	    'avx2: $(flags_avx2); avx512: $(flags_avx512); avx512bf16: $(flags_avx512bf16); omp: $(flags_omp); ref: $(flags_ref)' \
	    > $@.new; if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(out)/table.c: $(out)/files.txt harness/problem/table.sh
	$(Q)harness/problem/table.sh registry $(ARCH) '$(absent)' $(kernel_files) > $@
$(out)/sets.c: $(set_files) harness/problem/table.sh
	@mkdir -p $(@D)
	$(Q)harness/problem/table.sh sets $(set_files) > $@
$(out)/%.o: $(out)/%.c $(out)/flags.txt
	$(Q)$(CC) $(harness_cflags) -c -o $@ $<

.SECONDARY:
-include $(shell [ -d $(out) ] && find $(out) -name '*.d')
