# Sourced from the top of the tree by what verifies where each case takes long.

# verify_sample NAME TAILS COMMAND...: the smoke set and TAILS problems of tails, dealt out to two processes a core,
# because problems differ in length; NAME is what a failure is called by.
verify_sample() {
    name=$1 tails=$2
    shift 2
    parts=$((2 * $(nproc)))
    folder=build/verify_sample
    rm -rf $folder
    mkdir -p $folder
    {
        grep '^[^#]' harness/problem/sets/smoke.txt
        grep '^[^#]' harness/problem/sets/tails.txt |
            awk -v n="$tails" '{ line[NR] = $0 } END { for (i = 0; i < n; i++) print line[1 + int(i * NR / n)] }'
    } | awk -v parts=$parts -v folder=$folder '{ print > (folder "/" (NR - 1) % parts ".txt") }'
    echo "-- verify, smoke and $tails problems of tails, $parts processes"
    for problems in $folder/*.txt; do
        { "$@" --set "$problems" >"$problems.log" 2>&1 && touch "$problems.passed"; } &
    done
    wait
    for problems in $folder/*.txt; do
        if [ ! -e "$problems.passed" ]; then
            tail -n 60 "$problems.log"
            echo "$name: verify --set $problems failed" >&2
            exit 1
        fi
    done
    cat $folder/*.log | awk '/^[0-9]+ passed, [0-9]+ failed/ { passed += $1; failed += $3; skipped += $5 }
        END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }'
}
