#!/bin/sh
# Prepares the machine for make targets: installs missing packages on Debian and Ubuntu, prints their names on other
# systems. If nothing is missing it does nothing and prints nothing.
#
#   scripts/setup/setup.sh [--check] [--optional] [--foreign] GROUP...    groups: first column of packages.txt
#
#   --check      only name what is missing; exit 1 if anything is
#   --optional   also install what the group can do without
#   --foreign    add another architecture to apt for the packages that want one; refused outside a chroot, because
#                apt of some systems breaks with it (Ubuntu's mirrors have no others)
#
# Exit status: 0 everything is there, 1 the installation failed, 2 this system's packages are yours to install.
set -eu
list=$(dirname "$0")/packages.txt
check_only=
optional=
foreign=
while [ $# -gt 0 ]; do
    case $1 in
    --check) check_only=yes ;;
    --optional) optional=yes ;;
    --foreign) foreign=yes ;;
    -*)
        echo "setup.sh: no option $1; see the top of $0" >&2
        exit 2
        ;;
    *) break ;;
    esac
    shift
done
command -v "${CXX:-c++}" >/dev/null 2>&1 || CXX=g++
# shellcheck source=scripts/setup/probe.sh
probing=yes . "$(dirname "$0")/probe.sh"

# Rows that do not hold: lines of packages.txt, in its order.
missing=
while read -r group check packages; do
    case $group in '' | '#'*) continue ;; esac
    for wanted in "$@"; do
        if [ "$group" = "$wanted" ] || { [ -n "$optional" ] && [ "$group" = "$wanted?" ]; }; then
            holds "$check" >/dev/null && continue
            missing="$missing$packages
"
        fi
    done
done <"$list"
[ -n "$missing" ] || exit 0

names() { # of the column: 1 Debian, 2 Fedora, 3 Arch
    printf '%s' "$missing" | awk -v c="$1" '$c != "-" && !seen[$c]++ { printf "%s%s", sep, $c; sep = " " }'
}

debian=$(names 1)
if [ -z "$check_only" ]; then
    have=$(dpkg --print-foreign-architectures 2>/dev/null || true)
    add=$(echo "$debian" | tr ' ' '\n' | sed -n 's/.*://p' | sort -u | grep -vxF "${have:--}" || true)
    if [ -n "$add" ] && ! { [ -n "$foreign" ] && ischroot; }; then
        echo "setup.sh: $* needs packages of $add, which only a Debian root to throw away may get:" \
            "run scripts/setup/fresh.sh --in FOLDER scripts/checks/neon.sh" >&2
        exit 2
    fi
fi

echo "Missing for $*:"
printf '%s' "$missing" | awk '!seen[$1]++ {
    why = ""; for (i = 4; i <= NF; i++) why = why " " $i
    printf "  %-26s%s\n", $1, why }'
if [ -n "$check_only" ]; then
    exit 1
fi

family=
if [ -r /etc/os-release ]; then
    family=$(. /etc/os-release && echo " ${ID:-} ${ID_LIKE:-} ")
fi
case $family in *" debian "* | *" ubuntu "*) ;; *) family= ;; esac
if [ -z "$family" ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "This is not Debian or Ubuntu, so please install them yourself and run make again:"
    echo "  Debian, Ubuntu  apt-get install $debian"
    echo "  Fedora          dnf install $(names 2)"
    echo "  Arch            pacman -S $(names 3)"
    exit 2
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "Not root and no sudo here. As root, run: apt-get install $debian"
        exit 2
    fi
    as_root=sudo
fi
echo "Installing them now: ${as_root:+$as_root }apt-get install $debian"
for architecture in $add; do
    $as_root dpkg --add-architecture "$architecture"
done
# A source that cannot be reached does not matter as long as the packages come from another.
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update </dev/null ||
    echo "apt-get update complained; trying with the lists there are"
# shellcheck disable=SC2086 # a list of names
if ! $as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install -y --no-install-recommends $debian </dev/null; then
    echo "setup.sh: apt-get could not install: $debian; see its message above" >&2
    exit 1
fi
