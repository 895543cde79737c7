#!/bin/sh
# Says whether this machine has a header, program, module or file; used by setup.sh, the Makefile and the tests.
#
#   scripts/setup/probe.sh CHECK...    prints a line of what each check finds; exit status 1 at the first that finds nothing
#
#   header:NAME       a header that the C++ compiler finds (CXX)
#   clang:NAME        the same by clang with -fopenmp
#   command:A|B       the first program of these in PATH
#   python:MODULE     a module of Python's (PYTHON)
#   file:A|B          the first of these paths or patterns that is there
#   macro:HEADER:A,B  what these macros of a header stand for, joined by dots: its version
#
# Sourced with probing=yes it defines holds() alone.

# One check; prints what was found. Status 1: nothing; 2: no such kind of check.
holds() {
    what=${1#*:}
    case $1 in
    header:*) echo "#include <$what>" | ${CXX:-c++} -x c++ -E - >/dev/null 2>&1 && echo "$what" ;;
    clang:*) echo "#include <$what>" | clang -x c -fopenmp -E - >/dev/null 2>&1 && echo "$what" ;;
    python:*)
        "${PYTHON:-/usr/bin/python3}" -c "import importlib.util as u, sys; sys.exit(not u.find_spec('$what'))" \
            2>/dev/null && echo "$what"
        ;;
    file:*)
        # Patterns are expanded, and words split at bars alone.
        (
            IFS='|'
            for path in $what; do
                [ -e "$path" ] && echo "$path" && exit 0
            done
            exit 1
        )
        ;;
    command:*)
        (
            IFS='|'
            for name in $what; do
                command -v "$name" 2>/dev/null && exit 0
            done
            exit 1
        )
        ;;
    macro:*)
        printf '#include <%s>\n"=" %s\n' "${what%%:*}" "$(echo "${what#*:}" | sed 's/,/ "." /g')" |
            ${CXX:-c++} -x c++ -E -P - 2>/dev/null | sed -n 's/^"=" *//p' | tr -d ' "' | grep .
        ;;
    *)
        echo "probe.sh: no kind of check '$1'; see the top of scripts/setup/probe.sh" >&2
        return 2
        ;;
    esac
}

[ -z "${probing:-}" ] || return 0
set -eu
for check in "$@"; do
    holds "$check"
done
