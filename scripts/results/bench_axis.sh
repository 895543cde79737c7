#!/bin/sh
# Makes one run for each ISA level or compiler of one machine, and compares them.
#   scripts/results/bench_axis.sh levels       every ISA level this CPU has
#   scripts/results/bench_axis.sh compilers    the builds of gcc and clang, each with its OpenMP runtime
# Each run times the fastest variants on the set ladder. From the environment: THREADS (1,max), PATTERN, LIMIT (seconds for
# each run, 45). If a variant fails verification, that is reported at once, and its run is compared by its other variants.
# The exit status is 1 then, and if the comparison's is 1.
set -eu
cd "$(dirname "$0")/../.."
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
    echo "usage: scripts/results/bench_axis.sh levels|compilers" >&2
    exit 2
    ;;
esac

base=results/$(field slug)/$(date +%Y-%m-%d-%H%M%S)
folders=
failed=
alone=
for side in $sides; do
    program=build/batchmark
    isa=
    case $axis in
    levels) isa="--isa $side" ;;
    compilers) program=build/$arch-$side/batchmark ;;
    esac
    echo "== $side"
    folder=${base}_$axis-$side
    status=0
    # shellcheck disable=SC2086 # options
    $program bench ${PATTERN:+"$PATTERN"} --plan scaling --set ladder --threads "${THREADS:-1,max}" \
        --limit "${LIMIT:-45}" $isa --out "$folder" || status=$?
    if [ "$status" = 1 ]; then
        failed="$failed $side"
        echo "bench_axis.sh: $side: verification failed, see the lines above; goes on without what failed" >&2
    elif [ "$status" != 0 ]; then
        exit "$status"
    fi
    # Where everything failed nothing was timed, and nothing written.
    [ ! -e "$folder/bench.json" ] || folders="$folders $folder"
done
# shellcheck disable=SC2086 # a list of folders
case $folders in
*" "*" "*) $python -B scripts/results/compare.py $folders --across ;;
*)
    echo "bench_axis.sh: fewer than two sides were timed: nothing to compare; see PATTERN and LIMIT" >&2
    alone=yes
    ;;
esac
[ -z "$failed" ] || echo "bench_axis.sh: verification failed at:$failed" >&2
[ -z "$failed$alone" ]
