#!/bin/sh
# What make bench runs once the program is built: verify, measure, train a little, then say what it means.
#   scripts/bench.sh quick    at most five minutes on two cores
#   scripts/bench.sh full     as long as it takes
# Nothing is measured unless every variant passes the smoke set first.
set -eu
cd "$(dirname "$0")/.."
plan=$1
case $plan in
quick) training="--data synthetic:4000:1000 --epochs 8" ;;
full) training="--epochs 5" ;;
*)
    echo "usage: scripts/bench.sh quick|full" >&2
    exit 2
    ;;
esac
# What is printed is kept beside the rows. The status is that of the run and not tee's.
if [ -z "${BENCH_LOG:-}" ]; then
    BENCH_LOG=$(mktemp)
    export BENCH_LOG
    "$0" "$plan" | tee "$BENCH_LOG"
    folder=$(cat "$BENCH_LOG.folder" 2>/dev/null || true)
    [ -z "$folder" ] || cat "$BENCH_LOG" >"$folder/log.txt"
    rm -f "$BENCH_LOG" "$BENCH_LOG.folder"
    [ -n "$folder" ]
    exit
fi
python=${PYTHON:-/usr/bin/python3}
batchmark=build/batchmark

echo "== verify: every variant against the float64 references, on the smoke set"
$batchmark verify --set smoke

echo "== bench: plan $plan"
$batchmark bench --plan "$plan"
folder=$($python -B scripts/results.py)

# The networks of the macro benchmark, by the kernels just measured; their lines lie beside the rows.
for network in lenet lenet-bn; do
    echo "== train: $network"
    # shellcheck disable=SC2086 # options
    $batchmark train $network $training --json "$folder/train-$network.jsonl"
done

echo
$python -B scripts/summary.py "$folder"
echo
pictures=$($python -B scripts/plots.py "$folder")
echo "Pictures:"
echo "$pictures" | sed 's/^/  /'
echo "Results: $folder/bench.json"
echo "$folder" >"$BENCH_LOG.folder"
