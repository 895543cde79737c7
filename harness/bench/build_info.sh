#!/bin/sh
# Writes the definitions of build_info.h: what is compiled here, by what.
#   build_info.sh KERNEL_FLAGS HARNESS_FLAGS ISA_FLAGS       CC from the environment
# `dirty` means that something compiled differs from the commit; results, scripts and texts do not count.
set -eu
cd "$(dirname "$0")/.."
if commit=$(git rev-parse --short=10 HEAD 2>/dev/null); then
    [ -z "$(git status --porcelain -- kernels harness Makefile)" ] && dirty=false || dirty=true
else
    commit=unknown
    dirty=false
fi
quote() {
    printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g'
}
cat <<END
#include "bench/build_info.h"

const char build_commit[] = "$commit";
const bool build_dirty = $dirty;
const char build_compiler[] = "$(quote "$("${CC:-cc}" --version | head -n 1)")";
const char build_kernel_flags[] = "$(quote "$1")";
const char build_harness_flags[] = "$(quote "$2")";
const char build_isa_flags[] = "$(quote "$3")";
END
