"""make lint finds what it is for: faults are planted, and each must be named."""

import shutil
import subprocess
import sys

import pytest

from paths import ROOT, script_file

HEADER = "/* conv_fwd/planted: a file with something wrong in it, for the test. */\n"
SPILLING = """
#include <immintrin.h>
void %s(const float *x, float *y, long n);
void %s(const float *x, float *y, long n)
{
    __m256 kept = _mm256_setzero_ps();
    for (long i = 0; i < n; i++) {
        __m256 value = _mm256_loadu_ps(x + 8 * i);
        %s
        kept = _mm256_add_ps(kept, value);
    }
    _mm256_storeu_ps(y, kept);
}
"""
# The compiler must put the value on the stack and read it back.
TO_THE_STACK = "volatile __m256 slot; slot = value; value = slot;"


def run(*command, cwd=ROOT):
    """A command's status and all it said."""
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr


def spill_check(tmp_path, name, body):
    """Compiles a loop and checks it."""
    if not shutil.which("objdump") or not shutil.which("gcc"):
        pytest.skip("needs gcc and objdump")
    machine = subprocess.run(["gcc", "-dumpmachine"], capture_output=True, text=True, check=True).stdout
    if not machine.startswith("x86_64"):
        pytest.skip(f"the planted spill is written for x86-64, gcc makes {machine.strip()}")
    (tmp_path / "planted.c").write_text(SPILLING % (name, name, body))
    flags = ["-std=gnu17", "-O2", "-mavx2", "-c", "-o", "planted.o", "planted.c"]
    subprocess.run(["gcc", *flags], cwd=tmp_path, check=True)
    return run(sys.executable, "-B", script_file("check_spills.py"), tmp_path / "planted.o")


def test_a_planted_spill_is_found(tmp_path):
    status, said = spill_check(tmp_path, "hot_planted", TO_THE_STACK)
    assert status == 1, said
    assert "hot_planted" in said and ("rsp" in said or "rbp" in said)


def test_a_clean_hot_loop_passes(tmp_path):
    status, said = spill_check(tmp_path, "hot_planted", "")
    assert status == 0, said
    assert "1 hot functions, 1 innermost loops, 0 spills" in said


def test_a_check_of_nothing_does_not_pass(tmp_path):
    status, said = spill_check(tmp_path, "lukewarm", TO_THE_STACK)
    assert status == 2
    assert "nothing was checked" in said


@pytest.fixture(name="tree")
def small_tree(tmp_path):
    """A tree with no fault in it."""
    (tmp_path / "kernels" / "conv_fwd").mkdir(parents=True)
    (tmp_path / "harness" / "problem").mkdir(parents=True)
    for folder in ("vec", "layers", "algorithms/conv"):
        (tmp_path / "kernels" / folder).mkdir(parents=True)
    (tmp_path / "tests" / "problem").mkdir(parents=True)
    (tmp_path / "tests" / "problem" / "test_op.c").write_text(HEADER)
    (tmp_path / "kernels" / "kernel.h").write_text(HEADER + "#define KERNEL 1\n")
    (tmp_path / "kernels" / "conv_fwd" / "10_naive.c").write_text(HEADER + '#include "kernel.h"\n')
    (tmp_path / "harness" / "problem" / "op.h").write_text(HEADER + "#define OP 1\n")
    (tmp_path / "Makefile").write_text("all:\n")
    shutil.copy(ROOT / ".clang-format", tmp_path)
    return tmp_path


def lint(tree):
    """Status and findings of the lint of a tree."""
    if not shutil.which("clang-format"):
        pytest.skip("clang-format is not installed; make lint installs it")
    return run(sys.executable, "-B", script_file("lint.py"), tree)


def test_a_clean_tree_passes(tree):
    status, said = lint(tree)
    assert status == 0, said


VARIANT = "kernels/conv_fwd/10_naive.c"
# Thirteen lines of code, with room for a comment in one.
STRETCH = "".join(f"int a{i};\n" for i in range(12)) + "int a12;%s\n"
TEMPLATE = "kernels/algorithms/conv/tile.tmpl.h"
# As clang-format leaves it.
MACRO = "#define TILE(n)" + 83 * " " + "\\\n    case n: tile(n); break;\n"
FAULTS = {
    "harness include": (VARIANT, HEADER + '#include "op.h"\n', "kernels include nothing else"),
    "harness by path": (VARIANT, HEADER + '#include "../../harness/problem/op.h"\n', "nothing from harness/"),
    "allocation": (VARIANT, HEADER + "void *f(void)\n{\n    return malloc(4);\n}\n", "allocate nothing"),
    "printing": (VARIANT, HEADER + 'void f(void)\n{\n    printf("x");\n}\n', "print nothing"),
    "stdio": (VARIANT, HEADER + "#include <stdio.h>\n", "no use for <stdio.h>"),
    "condition": (VARIANT, HEADER + "#ifdef __AVX2__\n#endif\n", "no conditions in variant files"),
    "condition in a template": (TEMPLATE, HEADER + "#if V == 16\n#endif\n", "no conditions in templates"),
    "condition in a layer": ("kernels/layers/relu.h", HEADER + "#ifdef __AVX2__\n#endif\n", "no conditions in templates"),
    "code in a macro": (TEMPLATE, HEADER + MACRO, "code in a macro"),
    "no header comment": (VARIANT, "int x;\n", "begin with a comment"),
    "own target": (VARIANT, HEADER + '#pragma GCC optimize("O1")\n', "flags come from the file name"),
    "#if 0": ("kernels/kernel.h", HEADER + "#if 0\n#endif\n", "the history remembers"),
    "format": (VARIANT, HEADER + "int  x;\n", "run clang-format"),
    "mark": (VARIANT, HEADER + "/* TO" + "DO: later */\n", "do it or leave it out"),
    "variant name": ("kernels/conv_fwd/fast.c", HEADER, "variants are called NN_name.c"),
    "top level": ("notes.txt", "", "no such name belongs to the top level"),
    "second shim": ("kernels/conv_fwd/x.cc", HEADER, "C++ only in the one shim"),
    "fast math": ("Makefile", "FLAGS := -ffast-" + "math\n", "must mean the same everywhere"),
    "upward": ("harness/problem/op.c", HEADER + '#include "cli/command.h"\n', "harness/problem may include core, problem"),
    "upward in kernels": ("kernels/vec/vec.h", HEADER + '#include "shared/turn.h"\n', "kernels/vec may include"),
    "past the contract": ("harness/problem/op.c", HEADER + '#include "vec/vec.h"\n', "harness/problem may include core"),
    "no room": ("harness/op.c", HEADER, "files of harness/ lie in one of core, problem"),
    "flat header": ("kernels/turn.h", HEADER, "headers of kernels lie in vec/"),
    "flat test": ("tests/test_net.c", HEADER, "lies in the folder of its kind"),
    "flat script": ("scripts/a.py", '"""A."""\n', "lies in the folder of its kind"),
    "test of that name": ("tests/verify/test_op.c", HEADER, "is called like tests/problem/test_op.c"),
    "long header": ("kernels/kernel.h", HEADER + "#define A 1\n" * 700, "701 lines; 700 at most"),
    "long test": ("tests/net/test_net.c", HEADER + "#define A 1\n" * 600, "601 lines; 600 at most"),
    "long script": ("scripts/checks/a.py", '"""A."""\n' + "a = 1\n" * 700, "701 lines; 700 at most"),
    "long C function": ("kernels/ref.h", HEADER + "void f(int *a)\n{\n" + "    *a = 1;\n" * 99 + "}\n", "f has 101 lines"),
    "long Python function": ("tests/net/a.py", '"""A."""\ndef f(a):\n' + "    a += 1\n" * 100, "f has 101 lines"),
    "long README": ("README.md", "text\n" * 151, "151 lines; 150 at most"),
    "long README of kernels": ("kernels/README.md", "text\n" * 121, "121 lines; 120 at most"),
    "repeat": ("kernels/ref.h", HEADER + STRETCH % "" + "int other;\n" + STRETCH % " /* 1 */", "same code as kernels/ref.h:2"),
    "repeat in a script": ("scripts/checks/b.py", '"""B."""\n' + 2 * STRETCH % ("", "\n"), "as scripts/checks/b.py:2"),
    "exit": ("harness/problem/op.c", HEADER + "void f(void)\n{\n    exit(1);\n}\n", "only cmd_*.c and main.c"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(tree, fault):
    name, text, finding = FAULTS[fault]
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).write_text(text)
    status, said = lint(tree)
    assert status == 1, said
    assert any(line.startswith(name) and finding in line for line in said.splitlines()), said


def test_what_is_just_short_enough_is_no_fault(tree):
    """A file, a function and a stretch of the most lines, and instances, which are alike by design."""
    twelve = "".join(f"int a{i};\n" for i in range(12))
    (tree / "kernels/kernel.h").write_text(HEADER + "#define A 1\n" * 699)
    (tree / "kernels/ref.h").write_text(HEADER + twelve + "int b;\n" + twelve)
    body = "".join(f"    *a = {i};\n" for i in range(98))
    (tree / "harness/problem/op.c").write_text(HEADER + "void f(int *a)\n{\n" + body + "}\n")
    for name in ("10_naive.c", "20_other.c"):
        (tree / "kernels/conv_fwd" / name).write_text(HEADER + twelve + "int c;\n")
    status, said = lint(tree)
    assert status == 0, said


def test_a_guard_is_no_condition(tree):
    (tree / TEMPLATE).write_text(HEADER + "#ifndef BATCHMARK_TILE_H\n#define BATCHMARK_TILE_H\n#endif\n")
    status, said = lint(tree)
    assert status == 0, said


def test_words_in_comments_and_strings_are_no_fault(tree):
    text = HEADER + "/* malloc(4), printf(x) and #ifdef are only words here */\nconst char *s = \"free(p)\";\n"
    (tree / VARIANT).write_text(text)
    status, said = lint(tree)
    assert status == 0, said
