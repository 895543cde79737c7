#!/bin/sh
# Verifies this build under qemu's user emulation: as on a CPU without AVX, and as on one with AVX2 and nothing newer.
# Nothing is timed. Only the smoke set runs: the purpose is to find instructions of newer CPUs, and all else is verified on
# the real machine. scripts/checks/neon.sh does AArch64.
set -eu
cd "$(dirname "$0")/../.."
# A kernel that crashes gives a verdict; it need not leave core files.
ulimit -c 0
# Emulated threads that wait by spinning would take the cores from those that work.
export OMP_WAIT_POLICY=passive

# shellcheck source=scripts/checks/verify_sample.sh
. scripts/checks/verify_sample.sh

# What the program must say of itself, then the verification: NAME ABSENT GATES TAILS PATTERN EMULATOR...
# ABSENT: an instruction set that is not there and whose variants must be refused with its reason.
# TAILS: how many problems of tails.
check() {
    title=$1 absent=$2 gates=$3 tails=$4 pattern=$5
    shift 5
    echo "== $title"
    listing=$("$@" list --why)
    if [ -n "$absent" ] && ! echo "$listing" | grep -q "_$absent.*cannot run"; then
        echo "emulate.sh: $title: list --why does not say that $absent variants cannot run" >&2
        exit 1
    fi
    verify_sample "emulate.sh: $title" "$tails" "$@" verify "$pattern" --gate "$gates" --threads 2
}

# qemu's AVX2 loads whole vectors where the instruction asks for some lanes, so guard pages trap that no CPU
# would touch: there the numbers are checked, and the pages by the same variants on the real machine. Winograd's
# F(4x4) is left out: its products take qemu half a minute a case, more than the rest together. So is pointwise, which
# has crashed there once, in a run that could not be repeated; Nehalem and AArch64 run it.
pages=hygiene,exact,bound
numbers=exact,bound
# Other libraries bring code of their own for old CPUs; it is not ours to prove, and translated it is slow.
ours=$(build/batchmark list 2>/dev/null | awk '$1 ~ /^[0-8][0-9]$/ && $4 == "base" { print $3 }' | sort -u | paste -sd, -)
check "before AVX: Nehalem" avx2 $pages 0 "$ours" qemu-x86_64 -cpu Nehalem build/batchmark
check "AVX2: Haswell" avx512 $numbers 0 '*_avx2*,!*winograd4*,!*pointwise*' qemu-x86_64 -cpu Haswell build/batchmark
