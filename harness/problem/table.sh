#!/bin/sh
# Turns the listing of kernels/ into the table of variants (registry.h), and harness/problem/sets into strings.
#   table.sh registry ARCH ABSENT FILE...   ARCH: x86_64 or aarch64; ABSENT: words of libraries that are not there;
#                                           FILE: kernels/<op>/NN_name.c
#   table.sh sets FILE...
# The words of a file name, split at _, say what it needs: a file of a foreign architecture
# or an absent library is listed, not built. The other words name the algorithm.
set -eu
kind=$1
shift

if [ "$kind" = sets ]; then
    echo 'extern const char *const builtin_sets[];'
    echo 'const char *const builtin_sets[] = {'
    for file in "$@"; do
        printf '    "%s",\n' "$(basename "$file" .txt)"
        sed 's/\\/\\\\/g; s/"/\\"/g; s/.*/    "&\\n"/' "$file"
        echo '    ,'
    done
    echo '    0};'
    exit
fi

arch=$1
absent=" $2 "
shift 2
echo '#include "problem/registry.h"'
rows=
for file in "$@"; do
    op=$(basename "$(dirname "$file")")
    base=$(basename "$file" .c)
    rung=${base%%_*}
    name=${base#*_}
    library=
    algorithm=
    for word in $(echo "$name" | tr _ ' '); do
        case $absent in *" $word "*) library=$word ;; esac
        case $word in
        scalar | sse2 | avx2 | avx512 | avx512bf16 | neon | omp) ;;
        *) algorithm=${algorithm:+${algorithm}_}$word ;;
        esac
    done
    case "_${name}_" in
    *_avx2_* | *_avx512_* | *_avx512bf16_* | *_sse2_*) needs=x86_64 ;;
    *_neon_*) needs=aarch64 ;;
    *) needs=$arch ;;
    esac
    if [ -n "$library" ]; then
        row="{\"$op\", \"$name\", \"$algorithm\", ${rung#0}, \"$file\", \"built without $library; make peers installs it\", 0},"
    elif [ "$needs" = "$arch" ]; then
        echo "extern const struct variant ${op}_${name};"
        row="{\"$op\", \"$name\", \"$algorithm\", ${rung#0}, \"$file\", 0, &${op}_${name}},"
    else
        row="{\"$op\", \"$name\", \"$algorithm\", ${rung#0}, \"$file\", \"needs $needs\", 0},"
    fi
    rows="$rows    $row
"
done
printf 'const struct entry registry[] = {\n%s};\n' "$rows"
echo 'const int registry_count = sizeof registry / sizeof registry[0];'
