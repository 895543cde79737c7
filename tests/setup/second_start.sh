#!/usr/bin/env bash
# What a user does next: run in a bare root by .ci/run.
#   scripts/setup/fresh.sh --in FOLDER tests/setup/second_start.sh before|after
#   before   nothing is installed yet: an ordinary user without sudo is told what to install
#   after    make bench has run: again, other tests, libraries that come and go, other kernels, no network, another compiler
set -euo pipefail
check() { # WHAT COMMAND...: shows the end of what the command printed where it fails
    local what=$1 status=0
    shift
    "$@" >build/second_start.log 2>&1 </dev/null || status=$?
    if [ $status != 0 ]; then
        tail -n 30 build/second_start.log
        echo "second_start.sh: $what: exit status $status" >&2
        exit 1
    fi
    echo "-- $what"
}
says() { # TEXT: the last command printed it
    grep -qF "$1" build/second_start.log && return
    tail -n 30 build/second_start.log
    echo "second_start.sh: nothing printed says '$1'" >&2
    exit 1
}

# Not only as root: /etc/passwd's nobody, in a tree of his own.
ordinary_user() {
    local tree status=0
    tree=$(mktemp -d)
    cp -r . "$tree/tree"
    chown -R nobody "$tree"
    (cd "$tree/tree" && setpriv --reuid 65534 --clear-groups env HOME="$tree" make bench) >build/second_start.log 2>&1 || status=$?
    rm -rf "$tree"
    [ $status = 2 ] || { tail -n 30 build/second_start.log; echo "an ordinary user's make bench ended with status $status, not 2" >&2; return 1; }
}

mkdir -p build
case ${1:-} in
before)
    ordinary_user
    says "As root, run: apt-get install"
    says libhwloc-dev
    echo "-- an ordinary user is told what to install"
    ;;
after)
    check "make bench again" make bench LIMIT=90
    [ "$(find results -mindepth 3 -name bench.json -newer Makefile | wc -l)" -ge 2 ] || { echo "the second run left no results of its own" >&2; exit 1; }
    check "tests after make bench" make test T=problem
    check "a library comes" sh -c 'apt-get -qq install -y --no-install-recommends libdnnl-dev && make build'
    says "oneDNN 2"
    check "... and its variants run" sh -c 'build/batchmark list --why | grep onednn_direct | grep -vq "built without"'
    check "a library goes" sh -c 'apt-get -qq remove -y libdnnl-dev && make build'
    says "oneDNN: not found"
    # A pull that brings one kernel and takes another away.
    git clone -q . build/upstream
    (
        cd build/upstream
        sed 's/bn_bwd_blocked/bn_bwd_pulled/g' kernels/bn_bwd/20_blocked.c >kernels/bn_bwd/20_pulled.c
        git rm -q kernels/bn_bwd/20_blocked.c
        git add kernels
        git -c user.name=x -c user.email=x commit -qm kernels
    )
    check "git pull" git pull -q build/upstream
    check "make build after it" make build
    check "... has the new kernel" build/batchmark verify bn_bwd/pulled --problem mb4ic3ih4
    check "... and not the old one" sh -c '! build/batchmark list bn_bwd --why | grep -q blocked'
    check "without a network" unshare --net make test T=problem
    check "another compiler" make test CC=clang T=problem
    ;;
*)
    echo "usage: tests/setup/second_start.sh before|after" >&2
    exit 2
    ;;
esac
