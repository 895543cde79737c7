#!/bin/sh
# What make bench runs once the program is built: verify, measure, train a little, then say what it means.
#   scripts/bench.sh quick    at most five minutes on two cores
#   scripts/bench.sh full     as long as it takes
# LIMIT: seconds of the measurements, from the environment.
# Nothing is measured unless every variant passes the smoke set first.
set -eu
cd "$(dirname "$0")/.."
plan=$1
case $plan in
quick)
    small="--data synthetic:4000:1000 --epochs 8"
    large="--data synthetic:800:80 --steps 10"
    ;;
full)
    small="--epochs 5"
    large="--data synthetic:3200:80 --steps 40"
    ;;
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
    rm -f "$BENCH_LOG" "$BENCH_LOG.folder" "$BENCH_LOG.pictures"
    [ -n "$folder" ]
    exit
fi
python=${PYTHON:-/usr/bin/python3}
batchmark=build/batchmark

echo "== verify: every variant against the float64 references, on the smoke set"
$batchmark verify --set smoke

echo "== bench: plan $plan"
$batchmark bench --plan "$plan" ${LIMIT:+--limit "$LIMIT"}
folder=$($python -B scripts/results.py)

# The networks of the macro benchmark; their lines lie beside the rows. Of the large one a few steps say what a step costs.
for network in lenet lenet-bn vgg-relu vgg-relu-bn; do
    echo "== train: $network"
    case $network in vgg*) training=$large ;; *) training=$small ;; esac
    # shellcheck disable=SC2086 # options
    $batchmark train $network $training --json "$folder/train-$network.jsonl"
done

echo
$python -B scripts/summary.py --tables "$folder"
$python -B scripts/plots.py "$folder" >"$BENCH_LOG.pictures"
echo "Rows: $folder/bench.json; pictures: $(wc -l <"$BENCH_LOG.pictures") in $folder/*.png; all of this: $folder/log.txt"
echo
$python -B scripts/summary.py --verdict "$folder"
echo "$folder" >"$BENCH_LOG.folder"
