#!/bin/sh
# Verifies with a sanitizer build: the smoke set and eight problems of tails.
#   scripts/sanitize.sh build/<config>/batchmark
set -eu
program=$1
cd "$(dirname "$0")/.."
# Guard pages trap by SIGSEGV, which the supervisor reports as the kernel's failure; keep that handler in charge.
export ASAN_OPTIONS="${ASAN_OPTIONS:-handle_segv=0:detect_leaks=1:abort_on_error=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
sample=build/tails_sample.txt
grep '^[^#]' harness/sets/tails.txt |
    awk '{ line[NR] = $0 } END { for (i = 1; i <= NR; i += int((NR + 7) / 8)) print line[i] }' >$sample
for set in smoke $sample; do
    echo "-- verify --set $set"
    "$program" verify --set "$set" >build/sanitize.log 2>&1 || {
        tail -n 60 build/sanitize.log
        echo "sanitize.sh: verify --set $set failed" >&2
        exit 1
    }
    tail -n 1 build/sanitize.log
done
