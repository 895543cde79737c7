#!/bin/sh
# Runs the fuzz targets, each for some seconds, from the inputs of tests/fuzz/corpus and of earlier runs.
#   scripts/checks/fuzz.sh FOLDER_OF_PROGRAMS SECONDS [TEXT]     TEXT: only targets whose name contains it
# New inputs and what crashed are kept in build/fuzz/TARGET. Ends with 'N passed, N failed'.
set -eu
programs=$1 seconds=$2 text=${3:-}
cd "$(dirname "$0")/../.."
ulimit -c 0
# Threads that wait by spinning would take the cores from those that work.
export OMP_WAIT_POLICY=passive
passed=0 failed=0
for program in "$programs"/fuzz_*"$text"*; do
    case $program in *.o | *.d | *\**) continue ;; esac
    target=${program##*/fuzz_}
    found=build/fuzz/$target
    mkdir -p "$found/inputs"
    rm -f "$found"/crash-* "$found"/leak-* "$found"/oom-* "$found"/timeout-*
    printf '== %s, %s s: ' "$target" "$seconds"
    # What the target itself says, of inputs by the million, is dropped.
    if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=16384 -close_fd_mask=3 \
        -print_final_stats=1 -artifact_prefix="$found/" "$found/inputs" "tests/fuzz/corpus/$target" >"$found/log" 2>&1; then
        passed=$((passed + 1))
        awk '/number_of_executed_units/ { runs = $2 } /cov:/ { for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
            END { printf "good, %d inputs, %d edges\n", runs, edges }' "$found/log"
        continue
    fi
    failed=$((failed + 1))
    echo FAILED
    grep -E 'ERROR|runtime error|SUMMARY|does not hold' "$found/log" | head -n 5
    for input in "$found"/crash-* "$found"/leak-* "$found"/oom-* "$found"/timeout-*; do
        [ -e "$input" ] || continue
        echo "reproduce:  $program $input"
        echo "shorten:    $program -minimize_crash=1 -max_total_time=60 -exact_artifact_path=$input.short $input"
        echo "keep, once mended, for make test:  cp $input tests/fuzz/corpus/$target/"
    done
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
