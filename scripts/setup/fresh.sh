#!/usr/bin/env bash
# Runs the README's commands in a bare Debian 12 root with git, make, gcc, g++ and nothing else.
#
#   scripts/setup/fresh.sh                         make test in one bare root; make bench and make report in another
#   scripts/setup/fresh.sh --in FOLDER COMMAND...  COMMAND at the top of a clone, in the root that lies in FOLDER; where
#                                                  none lies there a bare one is laid, with a clone of the committed tree
#
# Needs root, Linux namespaces and Debian's debootstrap, which it installs. The finished bare root is kept as a tarball in
# ~/.cache/batchmark for a month, so a second run needs a few seconds for it. The mirror and apt's settings are this machine's.
# Mounts and processes live in namespaces of their own and end with this script, however it ends. A folder that a killed
# run left behind is removed by the next one. BATCHMARK_DATA, where it is set, is seen inside, read only; LIMIT is handed on.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
suite=bookworm
cache=${XDG_CACHE_HOME:-$HOME/.cache}/batchmark
tarball=$cache/debian-$suite-$(dpkg --print-architecture 2>/dev/null || uname -m).tar
roots=${TMPDIR:-/tmp}/batchmark-fresh
# Where the clone lies inside: users' folders have spaces.
clone="/home/a user/batchmark"
debian_mirror=http://deb.debian.org/debian

die() {
    echo "fresh.sh: $*" >&2
    exit 2
}

# The bare root, packed. Debian's own sources, at the mirror that apt uses here and by apt's settings.
make_tarball() {
    [ -z "$(find "$tarball" -mtime -30 2>/dev/null)" ] || return 0
    if ! command -v debootstrap >/dev/null; then
        command -v apt-get >/dev/null || die "no debootstrap here; install it and run this again"
        { apt-get -qq update && apt-get -qq install -y --no-install-recommends debootstrap debian-archive-keyring; } </dev/null >/dev/null ||
            die "apt-get could not install debootstrap; see its message above"
    fi
    local folder=$roots/tarball.$$ mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $suite" 'Origin: Debian' 2>/dev/null | sort -u | head -n 1)
    mirror=${mirror:-$debian_mirror}
    echo "fresh.sh: making a bare Debian root by debootstrap, once a month"
    mkdir -p "$folder" "$cache"
    exec 8<"$folder"
    flock --shared 8
    debootstrap --variant=minbase --include=git,make,gcc,g++ "$suite" "$folder/root" "${mirror%/}" >"$folder/log" 2>&1 ||
        { tail -n 5 "$folder/log" >&2; die "debootstrap failed; its last lines are above"; }
    apt-config dump Acquire >"$folder/root/etc/apt/apt.conf.d/00host"
    cp -r /etc/apt/auth.conf.d "$folder/root/etc/apt/" 2>/dev/null || true
    rm -f "$folder"/root/var/cache/apt/archives/*.deb
    tar -C "$folder/root" -cf "$tarball.$$" .
    mv "$tarball.$$" "$tarball"
    exec 8<&-
    rm -rf "$folder"
}

# Folders of runs that are over hold no lock any more.
sweep() {
    local folder
    mkdir -p "$roots"
    for folder in "$roots"/*; do
        [ -d "$folder" ] && flock --exclusive --nonblock "$folder" true && rm -rf --one-file-system "$folder"
    done
    rm -f "$tarball".[0-9]*
}

# Lays a bare root with a clone of what is committed.
lay() {
    mkdir -p "$1/root"
    tar -C "$1/root" -xf "$tarball"
    mkdir -p "$1/root$(dirname "$clone")" "$1/root/data"
    # The root is thrown away: dpkg need not wait for the disk.
    echo force-unsafe-io >"$1/root/etc/dpkg/dpkg.cfg.d/disposable"
    cp -L /etc/resolv.conf /etc/hosts "$1/root/etc/" 2>/dev/null || true
    git clone --quiet --no-hardlinks "$top" "$1/root$clone"
}

# The first process of the namespaces: when it ends the kernel ends the rest. FOLDER COMMAND...
inside() {
    local root=$1/root
    shift
    trap 'exit 130' INT
    trap 'exit 143' TERM
    # A mount of its own: only then can programs inside make mount namespaces.
    mount --bind "$root" "$root"
    cd "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /sys "$root/sys"
    mount --rbind /dev "$root/dev"
    local set=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM="${TERM:-dumb}" LANG=C.UTF-8)
    if [ -n "${BATCHMARK_DATA:-}" ]; then
        mount --bind "$BATCHMARK_DATA" "$root/data"
        mount -o remount,bind,ro "$root/data"
        set+=(BATCHMARK_DATA=/data)
    fi
    # pip's settings are this machine's too: its certificates, a folder of wheels.
    if [ -r "${PIP_CERT:-}" ]; then
        cp -L "$PIP_CERT" "$root/etc/pip.crt"
        set+=(PIP_CERT=/etc/pip.crt)
    fi
    if [ -d "${PIP_FIND_LINKS:-}" ]; then
        mkdir -p "$root/wheels"
        mount --bind "$PIP_FIND_LINKS" "$root/wheels"
        set+=(PIP_FIND_LINKS=/wheels)
    fi
    local name
    for name in CI LIMIT PIP_INDEX_URL http_proxy https_proxy no_proxy; do
        [ -z "${!name:-}" ] || set+=("$name=${!name}")
    done
    env -i "${set[@]}" chroot "$root" bash -c 'cd "$0" && exec "$@"' "$clone" "$@" &
    wait $!
}

# run FOLDER COMMAND...
run() {
    local folder=$1 process status=0
    shift
    [ -d "$folder/root" ] || lay "$folder"
    exec 9<"$folder"
    flock --shared 9
    setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child "$0" --inside "$folder" "$@" &
    process=$!
    trap 'kill -TERM -- $process 2>/dev/null; pkill -TERM -P $process || true; wait $process || true; exit 130' INT TERM
    wait $process || status=$?
    trap - INT TERM
    exec 9<&-
    return $status
}

if [ "${1:-}" = --inside ]; then
    shift
    inside "$@"
    exit
fi
[ "$(id -u)" = 0 ] || die "making a root needs root; run it as root (sudo make fresh)"
for tool in unshare setpriv chroot flock git; do
    command -v $tool >/dev/null || die "no $tool here; it is in Debian's util-linux, coreutils and git"
done
why=$(unshare --mount --pid --fork true 2>&1) ||
    die "this machine makes no namespaces for us (${why:-unshare --mount --pid fails}); in a container it takes CAP_SYS_ADMIN"
sweep
make_tarball
if [ "${1:-}" = --in ]; then
    [ $# -ge 3 ] || die "usage: scripts/setup/fresh.sh [--in FOLDER COMMAND...]"
    folder=$2
    shift 2
    run "$folder" "$@"
    exit
fi
[ $# = 0 ] || die "usage: scripts/setup/fresh.sh [--in FOLDER COMMAND...]"
trap 'rm -rf --one-file-system "$roots/test.$$" "$roots/bench.$$"' EXIT
run "$roots/test.$$" make test
run "$roots/bench.$$" make bench
run "$roots/bench.$$" make report
