# Batchmark: the one entry. `make help` lists the targets.
#   CC=clang   another compiler      V=1   show the commands      CROSS=aarch64-linux-gnu-   cross-build

V ?= 0
Q := $(if $(filter 1,$(V)),,@)
PYTHON ?= /usr/bin/python3
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

# Sanitizer builds: make SANITIZE=address ...; see the targets asan and ubsan.
SANITIZE ?=
ARCH := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
DEBUG := -g

warnings := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wundef -Wwrite-strings
sanitize := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)
common := -std=gnu17 $(DEBUG) $(warnings) $(WERROR) $(sanitize) -fno-math-errno -MMD -MP
kernel_cflags := $(common) -O3 -Ikernels -fopenmp-simd
harness_cflags := $(common) -O2 -Ikernels -Iharness -fopenmp

# Words of a kernel's file name, split at _, that select compile flags.
flags_avx2 := -mavx2 -mfma
flags_avx512 := -mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma -mprefer-vector-width=512
flags_avx512bf16 := $(flags_avx512) -mavx512bf16
flags_omp := -fopenmp
flags_ref := -ffp-contract=off

# Objects are kept by what made them, so that sanitizer, cross and release objects never mix.
config := $(ARCH)-$(notdir $(CC))$(if $(SANITIZE),-$(SANITIZE))$(if $(DEFINES),-defines)
out := build/$(config)
native := $(if $(CROSS)$(SANITIZE),,yes)

kernel_files := $(sort $(wildcard kernels/*/[0-9][0-9]_*.c))
foreign_words := $(if $(filter x86_64,$(ARCH)),neon,avx2 avx512 avx512bf16 sse2)
# Not `words`: that is a function of make itself, and call would prefer it.
name_words = $(subst _, ,$(notdir $(basename $(1))))
built := $(foreach f,$(kernel_files),$(if $(filter $(foreign_words),$(call name_words,$(f))),,$(f)))
layer_files := $(sort $(wildcard kernels/layers/*.c))
harness_files := $(sort $(filter-out harness/main.c,$(wildcard harness/*.c harness/*/*.c)))
shim_files := $(sort $(wildcard harness/*.cc harness/*/*.cc))
set_files := $(sort $(wildcard harness/sets/*.txt))

objects := $(patsubst %.c,$(out)/%.o,$(built) $(layer_files) $(harness_files)) \
           $(patsubst %.cc,$(out)/%.o,$(shim_files)) $(out)/table.o $(out)/sets.o
libraries := -ljansson -lm -lpthread

.PHONY: help
## help: this list
help:
	@grep -hE '^## ' $(MAKEFILE_LIST) | sed 's/^## //' | awk -F': ' '{printf "  %-14s %s\n", $$1, $$2}'

.DEFAULT_GOAL := help

## build: compile build/batchmark
.PHONY: build
build: $(if $(native),build/batchmark,$(out)/batchmark)

build/batchmark: $(out)/batchmark
	$(Q)ln -sf $(config)/batchmark $@

$(out)/batchmark: $(out)/harness/main.o $(objects)
	@echo "  LINK  $@"
	$(Q)$(if $(shim_files),$(CXX),$(CC)) $(sanitize) -fopenmp -o $@ $^ $(libraries)

$(out)/kernels/layers/%.o: kernels/layers/%.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(kernel_cflags) -fopenmp -c -o $@ $<

$(out)/kernels/%.o: kernels/%.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(kernel_cflags) $(foreach w,$(call name_words,$<),$(flags_$(w))) -c -o $@ $<

$(out)/harness/%.o: harness/%.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(harness_cflags) -c -o $@ $<

$(out)/harness/%.o: harness/%.cc
	@mkdir -p $(@D)
	@echo "  CXX   $<"
	$(Q)$(CXX) -std=c++17 -O2 $(DEBUG) -Wall -Wextra $(WERROR) $(sanitize) -Ikernels -Iharness -MMD -MP -c -o $@ $<

# The table is made anew whenever the list of files differs from the one it was made from.
$(out)/files.txt: FORCE
	@mkdir -p $(@D)
	@echo '$(kernel_files)' | cmp -s - $@ || echo '$(kernel_files)' > $@
.PHONY: FORCE

$(out)/table.c: $(out)/files.txt harness/table.sh
	$(Q)harness/table.sh registry $(ARCH) $(kernel_files) > $@
$(out)/sets.c: $(set_files) harness/table.sh
	@mkdir -p $(@D)
	$(Q)harness/table.sh sets $(set_files) > $@
$(out)/%.o: $(out)/%.c
	$(Q)$(CC) $(harness_cflags) -c -o $@ $<

## clean: remove build/
.PHONY: clean
clean:
	rm -rf build

-include $(shell [ -d $(out) ] && find $(out) -name '*.d')
