#!/bin/sh
# Verifies with a sanitizer build: the smoke set and eight problems of tails.
#   scripts/checks/sanitize.sh build/<config>/batchmark
set -eu
program=$1
cd "$(dirname "$0")/../.."
# Leaks are detected only in the supervisor: the workers that run the kernels end by _exit.
# A guard page raises SIGSEGV, which the supervisor reports as the kernel's failure. So its handler must stay.
export ASAN_OPTIONS="${ASAN_OPTIONS:-handle_segv=0:detect_leaks=1:abort_on_error=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
# shellcheck source=scripts/checks/verify_sample.sh
. scripts/checks/verify_sample.sh
verify_sample sanitize.sh 8 "$program" verify
