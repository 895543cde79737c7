#!/bin/sh
# make bench runs this after the build: it verifies, measures, trains a little, and prints the verdict.
#   scripts/results/bench.sh quick    at most five minutes on two cores
#   scripts/results/bench.sh full     as long as it takes
# LIMIT: seconds of the measurements, from the environment.
# Nothing is measured unless every variant passes the smoke set first.
set -eu
cd "$(dirname "$0")/../.."
plan=$1
case $plan in
quick)
    small="epochs 2 --data synthetic:4000:1000"
    large="steps 4 --data synthetic:1600:80"
    ;;
full)
    small="epochs 1"
    large="steps 8 --data synthetic:3200:80"
    ;;
*)
    echo "usage: scripts/results/bench.sh quick|full" >&2
    exit 2
    ;;
esac
python=${PYTHON:-/usr/bin/python3}
batchmark=build/batchmark

# Temporary files are in one folder: the printed output, which is put beside the rows at the end, and checkpoints of the
# training. First, folders of killed runs are removed.
for left in build/bench.*; do
    [ ! -d "$left" ] || [ -e "/proc/${left##*.}" ] || rm -rf "$left"
done
scratch=build/bench.$$
mkdir -p "$scratch"
mkfifo "$scratch/pipe"
(
    trap '' INT TERM HUP
    exec tee "$scratch/log" <"$scratch/pipe"
) &
tee=$!
exec 3>&1 >"$scratch/pipe"

ended=$tee # of what runs beside this shell, the last that is told no more
finished=
clean_up() {
    status=$?
    trap - EXIT
    exec >&3 3>&-
    wait "$tee" || true
    [ -z "$finished" ] || cat "$scratch/log" >"$finished/log.txt"
    rm -rf "$scratch"
    exit "$status"
}
stop() {
    trap '' INT TERM HUP
    # Until it is gone: the first may come before it can hear.
    while [ "$!" != "$ended" ] && kill -TERM "$!" 2>/dev/null; do
        sleep 0.2
    done
    exit "$1"
}
trap clean_up EXIT
trap 'stop 129' HUP
trap 'stop 130' INT
trap 'stop 143' TERM

# Beside this shell, which could not hear a signal while it runs.
step() {
    "$@" 3>&- &
    wait "$!"
    ended=$!
}

echo "== verify: every variant against the float64 references, on the smoke set"
step $batchmark verify --set smoke

echo "== bench: plan $plan"
step $batchmark bench --plan "$plan" ${LIMIT:+--limit "$LIMIT"}
folder=$($python -B scripts/results/results.py)

# The networks of the macro benchmark; their lines lie beside the rows. Of the large one a few steps say what a step costs.
# A network without BN and the same with it are trained in turns, each a part of its epochs or steps: the pace of a shared
# machine changes from minute to minute, and both are to see it.
turns=5
in_turns() { # epochs|steps PART OPTION... NETWORK NETWORK
    unit=$1 part=$2 turn=0
    shift 2
    options=
    while [ $# -gt 2 ]; do
        options="$options $1"
        shift
    done
    while [ "$((turn += 1))" -le $turns ]; do
        for network in "$@"; do
            echo "== train: $network, turn $turn of $turns"
            first="$network $options"
            [ $turn -eq 1 ] || first="--resume $scratch/$network --verify off"
            # A log of its own: one that is there already is continued, and the end of a turn no longer shows in it.
            rm -f "$scratch/log.jsonl"
            # shellcheck disable=SC2086 # options
            step $batchmark train $first --$unit $((turn * part)) --json "$scratch/log.jsonl" \
                --checkpoint "$scratch/$network"
            cat "$scratch/log.jsonl" >>"$folder/train-$network.jsonl"
        done
    done
}
# shellcheck disable=SC2086 # a unit, a number and options
in_turns $small lenet lenet-bn
# shellcheck disable=SC2086
in_turns $large vgg-relu vgg-relu-bn

echo
$python -B scripts/results/summary.py --tables "$folder"
$python -B scripts/results/plots.py "$folder" >"$scratch/pictures"
echo "Rows: $folder/bench.json; pictures: $(wc -l <"$scratch/pictures") in $folder/*.png; all of this: $folder/log.txt"
echo
$python -B scripts/results/summary.py --verdict "$folder"
finished=$folder
