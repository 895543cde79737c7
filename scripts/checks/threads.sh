#!/bin/sh
# Verifies every parallel variant with more threads than work or cores: the smoke set and problems of tails on 5 to 200
# threads, whatever this machine has. Also trains three networks so.
#   scripts/checks/threads.sh build/batchmark
set -eu
program=$1
cd "$(dirname "$0")/../.."
# Threads that wait by spinning would take the cores from those that work.
export OMP_WAIT_POLICY=passive
# shellcheck source=scripts/checks/verify_sample.sh
. scripts/checks/verify_sample.sh
verify_sample threads.sh 8 "$program" verify '*_omp' --threads 5,9,17,40,64,200 --gate hygiene,exact,bound
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for network in lenet-bn mlp-bn vgg-relu-bn; do
    for threads in 9 64; do
        echo "-- train $network on $threads threads"
        if ! "$program" train $network --threads $threads --steps 10 --batch 8 --subset 64:64 >"$log" 2>&1; then
            tail -n 20 "$log"
            echo "threads.sh: train $network --threads $threads failed" >&2
            exit 1
        fi
        tail -n 1 "$log"
    done
done
