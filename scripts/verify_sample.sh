# Sourced from the top of the tree by what verifies where each case takes long.

# verify_sample NAME COMMAND...: the smoke set and eight problems of tails; NAME is what a failure is called by.
verify_sample() {
    name=$1
    shift
    sample=build/tails_sample.txt
    log=build/verify_sample.log
    grep '^[^#]' harness/sets/tails.txt |
        awk '{ line[NR] = $0 } END { for (i = 1; i <= NR; i += int((NR + 7) / 8)) print line[i] }' >$sample
    for set in smoke $sample; do
        echo "-- verify --set $set"
        "$@" --set "$set" >$log 2>&1 || {
            tail -n 60 $log
            echo "$name: verify --set $set failed" >&2
            exit 1
        }
        tail -n 1 $log
    done
}
