#!/bin/sh
# Runs along an axis one machine offers, and compares them.
#   scripts/bench_axis.sh levels       every ISA level this CPU has
#   scripts/bench_axis.sh compilers    the builds of gcc and clang, each with its OpenMP runtime
# The fastest variants on the set ladder, chosen anew for each side. From the environment: THREADS (1,max), PATTERN,
# LIMIT (seconds a side, 45).
set -eu
cd "$(dirname "$0")/.."
axis=${1:-}
python=${PYTHON:-/usr/bin/python3}
arch=$(uname -m)

field() { # of the machine, as info has it
    build/batchmark info --quick --json | $python -c "import json, sys; print(json.load(sys.stdin)['$1'])"
}

case $axis in
levels)
    sides=
    for level in base avx2 avx512 avx512bf16; do
        sides="$sides $level"
        [ "$level" != "$(field isa)" ] || break
    done
    ;;
compilers) sides="gcc clang" ;;
*)
    echo "usage: scripts/bench_axis.sh levels|compilers" >&2
    exit 2
    ;;
esac

base=results/$(field slug)/$(date +%Y-%m-%d-%H%M%S)
folders=
for side in $sides; do
    program=build/batchmark
    isa=
    case $axis in
    levels) isa="--isa $side" ;;
    compilers) program=build/$arch-$side/batchmark ;;
    esac
    echo "== $side"
    # shellcheck disable=SC2086 # options
    $program bench ${PATTERN:+"$PATTERN"} --plan scaling --set ladder --threads "${THREADS:-1,max}" \
        --limit "${LIMIT:-45}" $isa --out "${base}_$axis-$side"
    folders="$folders ${base}_$axis-$side"
done
# shellcheck disable=SC2086 # a list of folders
$python -B scripts/compare.py $folders --across
