#!/usr/bin/env bash
# The whole product for AArch64: cross-built with Debian's libraries of that architecture, and run under qemu, where
# nothing is timed.
#
#   scripts/checks/neon.sh      at the top of a tree, as root in a Debian root to throw away (scripts/setup/fresh.sh --in
#                               FOLDER), where it installs what is missing; elsewhere where the libraries are there
#
# Runs the cmocka programs; verify on the smoke set and eight problems of tails; run, whose result is the x86 build's; what
# describes and times nothing; refusals of what would time; train and infer with --no-times, whose losses are held to the
# x86 build's at the same seed. The last line is 'N passed, N failed, N skipped'. Exit status 1 if anything failed.
set -euo pipefail
cd "$(dirname "$0")/../.."
# A kernel that crashes gives a verdict; it need not leave core files.
ulimit -c 0
# Emulated threads that wait by spinning would take the cores from those that work.
export OMP_WAIT_POLICY=passive
# In this order: the headers of both are the same files, so that the x86 libraries would not be missed after the others.
scripts/setup/setup.sh build
scripts/setup/setup.sh --foreign neon
jobs=$(nproc)
make --no-print-directory -j"$jobs" CROSS=aarch64-linux-gnu- programs
make --no-print-directory -j"$jobs" build
arm=build/aarch64-aarch64-linux-gnu-gcc
x86=build/batchmark
folder=build/neon
rm -rf $folder
mkdir -p $folder
passed=0
failed=0
skipped=0
names=

emulated() { qemu-aarch64 "$@"; }

pass() {
    passed=$((passed + ${2:-1}))
    echo "  pass  $1"
}
fail() { # NAME [FILE that says why]
    failed=$((failed + 1))
    names="$names $1"
    echo "  FAIL  $1"
    [ -z "${2:-}" ] || tail -n 30 "$2" | sed 's/^/        /'
}
skip() { # NAME WHY
    skipped=$((skipped + 1))
    echo "  skip  $1: $2"
}
# expect NAME STATUS TEXT COMMAND...: the command ends with this status and says this (an extended expression).
expect() {
    local name=$1 wanted=$2 text=$3 log=$folder/expect.log status=0
    shift 3
    emulated "$@" >$log 2>&1 || status=$?
    if [ $status = "$wanted" ] && grep -qE -- "$text" $log; then
        pass "$name"
    else
        echo "status $status, wanted $wanted and: $text" >>$log
        fail "$name" $log
    fi
}

# Programs of the C tests, as many at once as there are cores, the longest first.
programs="gradients net data faults"
skip test_bench "it times, which an emulated CPU is refused"
skip test_limits "long sums for the checker's own arithmetic, the same everywhere: minutes of emulation"
for source in tests/*/test_*.c; do
    name=${source#tests/*/test_}
    name=${name%.c}
    case " $programs bench limits " in *" $name "*) ;; *) programs="$programs $name" ;; esac
done
echo "== the C tests"
# shellcheck disable=SC2016,SC2086 # the inner shell expands; a list of names
printf '%s\n' $programs | xargs -P "$jobs" -I{} sh -c \
    'status=0; timeout 900 qemu-aarch64 "$0"/tests/*/"test_$2" >"$1/$2.log" 2>&1 || status=$?; echo $status >"$1/$2.status"' \
    "$arm" "$folder" {}
for name in $programs; do
    count=$(grep -ac '^\[       OK' "$folder/$name.log" || true)
    if [ "$(cat "$folder/$name.status")" = 0 ] && [ "$count" -gt 0 ]; then
        pass "test_$name ($count tests)" "$count"
    else
        echo "status $(cat "$folder/$name.status")" >>"$folder/$name.log"
        fail "test_$name" "$folder/$name.log"
    fi
    # Each is said twice, and why right before the first time.
    awk -v program="test_$name" '/^skipped: / { why = substr($0, 10) }
        /^\[  SKIPPED \] [a-z0-9_]+$/ && !said[$4]++ { print program " " $4 "|" why }' "$folder/$name.log" >"$folder/skipped"
    while IFS='|' read -r what why; do skip "$what" "$why"; done <"$folder/skipped"
done

echo "== what it says of itself"
expect "list --why refuses what is foreign" 0 '_avx2.*cannot run' $arm/batchmark list --why
expect "the CPU has a name and no number of -1" 0 '^AArch64: ISA level base' $arm/batchmark info --quick
expect "describe" 0 'conv_fwd/.*neon' $arm/batchmark train lenet-bn --data synthetic:20:10 --describe
expect "presets" 0 '^mlp-bn' $arm/batchmark train --list
expect "rows of a bench" 0 'conv_fwd/direct_neon' $arm/batchmark bench 'conv_fwd/*neon*' --set smoke --list
expect "bench is refused" 2 'emulated' $arm/batchmark bench conv_fwd/naive --problem mb1ic3ih8oc4kh3
expect "plan is refused" 2 'emulated' $arm/batchmark plan lenet
expect "training with times is refused" 2 '--no-times' $arm/batchmark train mlp --data synthetic:10:10 --steps 1

# 1, 2, 3 and 4 in turn, so that every sum is exact.
echo "== run"
floats() { # COUNT
    local i
    for ((i = 0; i < $1 / 4; i++)); do printf '\0\0\200\077\0\0\0\100\0\0\100\100\0\0\200\100'; done
}
header='{"src":{"dtype":"F32","shape":[2,4,9,9],"data_offsets":[0,2592]},"weights":{"dtype":"F32","shape":[8,4,3,3],"data_offsets":[2592,3744]}}'
while [ $((${#header} % 8)) != 0 ]; do header="$header "; done
# shellcheck disable=SC2059 # the length is the format
{
    printf "\\$(printf %03o ${#header})\\0\\0\\0\\0\\0\\0\\0"
    printf %s "$header"
    floats 648
    floats 288
} >$folder/in.safetensors
problem=mb2ic4ih9oc8kh3ph1
# The header says what made them.
values() { tail -c $((2 * 8 * 9 * 9 * 4)) "$1"; }
$x86 run conv_fwd/ref $problem --in $folder/in.safetensors --out $folder/x86.safetensors
values $folder/x86.safetensors >$folder/x86.values
for variant in ref naive direct_neon direct_neon_omp im2col_neon winograd2_neon rows_neon_omp; do
    out=$folder/$variant.safetensors
    if emulated $arm/batchmark run conv_fwd/$variant $problem --in $folder/in.safetensors --out $out --threads 2 \
        >$folder/run.log 2>&1 && values $out | cmp - $folder/x86.values >>$folder/run.log 2>&1; then
        pass "run conv_fwd/$variant"
    else
        fail "run conv_fwd/$variant" $folder/run.log
    fi
done

# The loss of each step within 1e-3 of x86's. The rate of mlp-bn is low: at its own, relus that rounding turns over make x86's
# own instruction sets differ by a per cent and more after 50 steps; here they agree to 1e-6.
echo "== train and infer"
curves() { # FILE FILE: the relative difference of the first step, of images and weights that are the same, and the largest
    awk 'function loss(line) { return match(line, /"loss":[-+0-9.e]+/) ? substr(line, RSTART + 7, RLENGTH - 7) : "none" }
        !/"event":"step"/ { next }
        NR == FNR { first[FNR] = loss($0); next }
        { a = first[FNR]; b = loss($0); d = a + 0 > 0 && b + 0 > 0 ? (a - b) / a : 1; d = d < 0 ? -d : d
          worst = d > worst ? d : worst; n++; if (n == 1) begin = d }
        END { printf "%.1g at first, %.1g at most\n", begin, worst; exit !(n == 50 && begin <= 2e-7 && worst <= 1e-3) }' "$1" "$2"
}
fifty() { # NETWORK OPTIONS...: the words of a training of 50 steps
    local network=$1
    shift
    settings=(train "$network" --data synthetic:3200:50 --steps 50 --threads 1 --no-times "$@")
    [ "$network" != mlp-bn ] || settings+=(--lr 1e-5)
}
for network in lenet lenet-bn mlp-bn; do
    fifty $network --json $folder/$network-arm.jsonl --checkpoint $folder/$network
    { emulated $arm/batchmark "${settings[@]}" >$folder/$network.log 2>&1 || echo "status $?" >>$folder/$network.log; } &
done
wait
for network in lenet lenet-bn mlp-bn; do
    log=$folder/$network.log
    fifty $network --json $folder/$network-x86.jsonl
    $x86 "${settings[@]}" >>$log 2>&1 || true
    if apart=$(curves $folder/$network-x86.jsonl $folder/$network-arm.jsonl 2>&1); then
        pass "train $network: losses of 50 steps as x86's, apart by $apart"
    else
        echo "relative differences: $apart" >>$log
        fail "train $network: losses as x86's" $log
    fi
    if grep -qE 'second|share_' $folder/$network-arm.jsonl || ! grep -q '"times":false' $folder/$network-arm.jsonl; then
        fail "train $network: a log without times" $folder/$network-arm.jsonl
    else
        pass "train $network: a log without times"
    fi
done
expect "train --resume goes on" 0 '^51 steps' $arm/batchmark train --resume $folder/lenet --steps 51
expect "infer folds" 0 'bn folded.* test accuracy' $arm/batchmark infer $folder/lenet-bn --no-times
expect "infer with times is refused" 2 '--no-times' $arm/batchmark infer $folder/lenet-bn

echo "== verify"
# shellcheck source=scripts/checks/verify_sample.sh
. scripts/checks/verify_sample.sh
if (verify_sample neon.sh 8 qemu-aarch64 $arm/batchmark verify --threads 2) >$folder/verify.log 2>&1; then
    tail -n 1 $folder/verify.log
    pass verify "$(tail -n 1 $folder/verify.log | cut -d ' ' -f 1)"
else
    fail verify $folder/verify.log
fi

echo
[ -z "$names" ] || echo "failed:$names"
summary="$passed passed, $failed failed"
[ $skipped = 0 ] || summary="$summary, $skipped skipped"
echo "$summary"
[ $failed = 0 ]
