#!/bin/sh
# make peers runs this after the build: it times our fastest variants and those of the libraries found here, on the layers
# of the seed networks and of ResNet-50. Each set gets its own folder below results/. Then it prints who is faster.
#   SETS="seeds resnet50"   the sets       OPS=...   globs over operations       LIMIT=SECONDS   for each set
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-/usr/bin/python3}
batchmark=build/batchmark

if [ -z "$($batchmark list '*' | grep '^9')" ]; then
    echo "peers.sh: this build has no peer: $($batchmark list '*' --why | grep '^9' | head -n 1)" >&2
    exit 1
fi
folders=
for set in ${SETS:-seeds resnet50}; do
    echo "== peers: $set"
    # 1: a row of ours failed its verification; what passed was timed.
    $batchmark bench "${OPS:-conv_*,bn_fwd_train,bn_bwd,reorder,gemm}" --plan peers --set "$set" \
        ${LIMIT:+--limit "$LIMIT"} >build/peers.log || [ $? -eq 1 ]
    grep -E '^(FAILED|MISTRUSTED|warning|[0-9]+ rows timed)' build/peers.log || true
    folders="$folders $(sed -n 's/^results: //p' build/peers.log)"
done
echo
# shellcheck disable=SC2086 # a list of folders
$python -B scripts/results/peers.py $folders
