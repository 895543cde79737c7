#!/usr/bin/python3
"""Checks the rules that can be seen in the files: formatting, dependencies, names, headers, sizes, repeats.

    scripts/checks/lint.py [ROOT]

The rest of `make lint` checks compiler warnings and spills. A finding is one line: file:line: what is wrong and what to
do. Exit status 1 if there is any.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

from command import Parser, ended

TOP_LEVEL = {"Makefile", "README.md", "LICENSE", "CONTRIBUTING.md"}
TOP_LEVEL |= {"kernels", "harness", "results", "scripts", "tests"}
C_FILES = (".c", ".h", ".cc")
CPP_FILES = (".cc", ".cpp", ".cxx", ".hpp", ".hh")
VARIANT = re.compile(r"kernels/(?P<op>[a-z0-9_]+)/(?P<file>[^/]+)\.c$")
# Tests and scripts that lie in no room: nothing would find such a test.
FLAT = re.compile(r"tests/test_[^/]+|scripts/(?!README\.md$|command\.py$)[^/]+")
VARIANT_NAME = re.compile(r"\d\d_[a-z][a-z0-9]*(_[a-z0-9]+)*$")
INCLUDE = re.compile(r'^\s*#\s*include\s+(?P<quote>["<])(?P<name>[^">]+)[">]', re.MULTILINE)
CONDITIONAL = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif)\b", re.MULTILINE)
ALLOCATION = re.compile(r"\b(malloc|calloc|realloc|free|\w*aligned_alloc|posix_memalign|alloca|mmap)\s*\(")
PRINTING = re.compile(r"\b(v?f?printf|f?puts|f?putc|putchar|fwrite|perror|write)\s*\(")
LEAVING = re.compile(r"(?<!_)\b(exit|printf|puts|putchar|perror)\s*\(|\bfprintf\s*\(\s*std(out|err)")
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
# Other libraries' kernels: what they need is theirs.
PEER = re.compile(r"(^|_)(onednn|openblas)(_|$|\.)")
NO_KERNEL_HEADERS = {"stdio.h", "stdlib.h", "unistd.h", "errno.h", "pthread.h", "time.h"}
# Options that change what arithmetic means, or tie a build to the machine that made it.
FORBIDDEN_OPTIONS = ("-march=native", "-mtune=native", "-ffast-math", "-Ofast", "-flto", "-funsafe-math")
FORBIDDEN_TEXT = re.compile(r"__attribute__\s*\(\(\s*(constructor|target)|#\s*pragma\s+GCC\s+(optimize|target)")
# Algorithms that are compiled for several instruction sets: constants choose in them, which compilers fold.
TEMPLATE = re.compile(r"kernels/(.*\.tmpl\.h|layers/[^/]+)$")
GUARD = re.compile(r"#ifndef BATCHMARK_\w+_H$")
MACRO = re.compile(r"^\s*#\s*define\b(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
STATEMENT = re.compile(r";|\bcase\b")
IF_ZERO = re.compile(r"^\s*#\s*if\s+0\b", re.MULTILINE)
# The rooms of a folder, each may include those before it and itself. What is not named here comes last.
ROOMS = {
    "harness": ("core", "problem", "machine", "verify", "bench", "data", "net", "train", "cli"),
    "kernels": ("kernel.h", "ref.h", "vec", "shared", "algorithms", "peers"),
}
# What the harness knows of kernels/.
CONTRACT = ("kernel.h", "ref.h", "layers")
HEADER_MINIMUM = 40
LINE_MAXIMUM = 128
# The most lines of a file, by the first of these that its name begins with, and of a function.
FILE_MAXIMA = {"tests/": 600, "": 700}
README_MAXIMA = {"README.md": 150, "kernels/README.md": 120}
FUNCTION_MAXIMUM = 100
# Where so many lines of code may stand twice and no more. Instances are alike by design, and peers are other libraries'.
REPEAT_MAXIMUM = 12
REPEAT_FOLDERS = ("kernels/", "harness/", "scripts/")
REPEAT_FREE = re.compile(r"kernels/(peers/|(?!layers/)[a-z0-9_]+/\d\d_[^/]+\.c$)")
NO_CODE = re.compile(r"\s*(#\s*include\b|(import|from) \w.*|#.*)?$")


class Findings:
    """Collects what is wrong, and prints it as it is found."""

    def __init__(self):
        self.number = 0

    def add(self, path, line, text):
        """One finding; line is a number or None."""
        self.number += 1
        print(f"{path}{f':{line}' if line else ''}: {text}")


def blank(match):
    """Replaces a match by spaces and keeps its line breaks, so that line numbers stay."""
    return re.sub(r"[^\n]", " ", match[0])


def code_of(text):
    """C source with comments and the insides of strings blanked out."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(\\.|[^"\\\n])*"|\'(\\.|[^\'\\\n])*\''
    return re.sub(pattern, blank, text, flags=re.DOTALL)


def without_comments(text):
    """C source with comments blanked out; strings stay, as names of includes are strings."""
    pattern = r'(?P<string>"(?:\\.|[^"\\\n])*")|/\*.*?\*/|//[^\n]*'
    return re.sub(pattern, lambda m: m[0] if m["string"] else blank(m), text, flags=re.DOTALL)


def matches(pattern, text):
    """(line number, matched text) of every match."""
    found = [(m.end() - len(m[0].lstrip()), m[0].strip()) for m in pattern.finditer(text)]
    return [(text.count("\n", 0, at) + 1, what) for at, what in found]


def files_of(root):
    """The tracked files and new ones that git does not ignore, relative to root, without links."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
        names = listing.splitlines()
    except (OSError, subprocess.CalledProcessError):
        names = [str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()]
        names = [n for n in names if not n.startswith(("build/", ".git/"))]
    return sorted(n for n in set(names) if (root / n).is_file() and not (root / n).is_symlink())


def check_names(names, findings):
    """The top level holds what it may; tests and scripts lie in rooms; variants are called NN_name.c."""
    for top in sorted({n.split("/")[0] for n in names}):
        if top not in TOP_LEVEL and not top.startswith("."):
            findings.add(top, None, "no such name belongs to the top level; move it into a folder")
    shims = [n for n in names if n.endswith(CPP_FILES)]
    for name in shims:
        if not name.startswith("harness/") or len(shims) > 1:
            findings.add(name, None, "C++ only in the one shim over Google Benchmark, in harness/")
    tests = {}
    for name in names:
        if FLAT.fullmatch(name):
            findings.add(name, None, "lies in the folder of its kind, scripts/<room>/ or tests/<room>/")
        if Path(name).name.startswith("test_") and tests.setdefault(Path(name).name, name) != name:
            findings.add(name, None, f"is called like {tests[Path(name).name]}; tests are told apart by their names")
        variant = VARIANT.match(name)
        if variant and variant["op"] != "layers" and not VARIANT_NAME.match(variant["file"]):
            findings.add(name, None, "variants are called NN_name.c, in lower case")


def check_kernel(name, text, root, findings):
    """Kernels include nothing of the harness, allocate nothing, print nothing, choose nothing by #if."""
    code = code_of(text)
    for match in INCLUDE.finditer(without_comments(text)):
        line = text.count("\n", 0, match.start()) + 1
        included = match["name"]
        if match["quote"] == "<":
            if included in NO_KERNEL_HEADERS and not PEER.search(Path(name).stem):
                findings.add(name, line, f"kernels have no use for <{included}>")
        elif not any((root / base / included).is_file() for base in (Path(name).parent, "kernels")):
            findings.add(name, line, f'"{included}" is not in kernels/: kernels include nothing else')
        elif "harness" in included:
            findings.add(name, line, "kernels include nothing from harness/")
    peer = PEER.search(Path(name).stem)
    for line, found in [] if peer else matches(ALLOCATION, code):
        findings.add(name, line, f"{found}: kernels allocate nothing; use args->scratch")
    for line, found in matches(PRINTING, code):
        findings.add(name, line, f"{found}: kernels print nothing")
    if VARIANT.match(name):
        for line, found in matches(CONDITIONAL, code):
            findings.add(name, line, f"{found}: no conditions in variant files; the file name selects")
    if TEMPLATE.match(name):
        lines = code.splitlines()
        for line, found in matches(CONDITIONAL, code):
            if not GUARD.match(lines[line - 1]):
                findings.add(name, line, f"{found}: no conditions in templates; let the compiler fold a constant")
        for line, found in matches(MACRO, code):
            if STATEMENT.search(found):
                findings.add(name, line, "code in a macro: write a function")


def check_size(name, text, functions, findings):
    """Neither the file nor one of its functions, as (name, first line, last line), is too long to be read at once."""
    length = text.count("\n")
    most = next(most for start, most in FILE_MAXIMA.items() if name.startswith(start))
    if length > most:
        findings.add(name, None, f"{length} lines; {most} at most: split it by what it does")
    for function, first, last in functions:
        if last - first >= FUNCTION_MAXIMUM:
            text = f"{function} has {last - first + 1} lines; {FUNCTION_MAXIMUM} at most: give its parts names"
            findings.add(name, first, text)


def functions_of(code):
    """(name, first line, last line) of the bodies of C functions: their braces stand at the start of a line."""
    for match in re.finditer(r"^\{$.*?^\}", code, re.MULTILINE | re.DOTALL):
        names = re.findall(r"(\w+)\(", code[: match.start()].rpartition("\n\n")[2])
        first = code.count("\n", 0, match.start()) + 1
        yield names[0] if names else "this", first, first + match[0].count("\n")


def check_repeats(sources, findings):
    """No long stretch of code stands twice, in one file or in two; `sources` are (name, text without comments)."""
    seen = {}
    for name, text in sources:
        numbered = enumerate(text.splitlines(), 1)
        lines = [(number, " ".join(line.split())) for number, line in numbered if not NO_CODE.match(line)]
        before = None
        for i in range(len(lines) - REPEAT_MAXIMUM):
            stretch = tuple(line for _, line in lines[i : i + REPEAT_MAXIMUM + 1])
            first = seen.setdefault(stretch, (name, i, lines[i][0]))
            if first[0] == name and i - first[1] <= REPEAT_MAXIMUM:
                continue
            if before != i - 1:
                findings.add(name, lines[i][0], f"the same code as {first[0]}:{first[2]}; {REPEAT_MAXIMUM} lines at most")
            before = i


def check_room(name, text, findings):
    """A file includes only files of its own room or of rooms before it, so that there are no cycles."""
    folder, room = name.split("/")[:2]
    rooms = ROOMS[folder]
    if room not in rooms and folder == "harness":
        findings.add(name, None, f"files of harness/ lie in one of {', '.join(rooms)}")
        return
    if room.endswith(".h") and room not in rooms:
        findings.add(name, None, "headers of kernels lie in vec/, shared/, algorithms/ or peers/")
    allowed = rooms[: rooms.index(room) + 1] if room in rooms else (*rooms, room)
    allowed += CONTRACT if folder == "harness" else ()
    for match in INCLUDE.finditer(without_comments(text)):
        first = match["name"].split("/")[0]
        if match["quote"] == '"' and first not in allowed and (first in rooms or "/" in match["name"]):
            line = text.count("\n", 0, match.start()) + 1
            findings.add(name, line, f'"{match["name"]}": {folder}/{room} may include {", ".join(allowed)}')


def check_c(name, text, root, findings):
    """What holds for every C file, and what for its folder."""
    code = code_of(text)
    header = re.match(r"/\*(.*?)\*/", text, re.DOTALL)
    if not header or len(header[1].strip()) < HEADER_MINIMUM:
        needs_more = name.startswith("kernels/") or name.endswith(".h")
        if needs_more or not header:
            findings.add(name, 1, "begin with a comment that says what the file is about")
    for line, found in matches(FORBIDDEN_TEXT, code):
        findings.add(name, line, f"{found}: flags come from the file name, and nothing runs before main")
    check_size(name, text, functions_of(code), findings)
    for line, _ in matches(IF_ZERO, code):
        findings.add(name, line, "#if 0: delete it, the history remembers")
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LINE_MAXIMUM:
            findings.add(name, number, f"line of {len(line)} characters; {LINE_MAXIMUM} at most")
    if name.split("/")[0] in ROOMS:
        check_room(name, text, findings)
    if name.startswith("kernels/"):
        check_kernel(name, text, root, findings)
    stem = Path(name).stem
    speaks = stem.startswith("cmd_") or stem in ("main", "command", "options", "progress")
    if name.startswith("harness/") and name.endswith((".c", ".cc")) and not speaks:
        for line, found in matches(LEAVING, code):
            findings.add(name, line, f"{found}: only cmd_*.c and main.c print and leave; return a value")


def check_python(name, text, findings):
    """Modules and public functions say what they are for."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        findings.add(name, error.lineno, f"not Python: {error.msg}")
        return
    if not ast.get_docstring(tree):
        findings.add(name, 1, "begin with a docstring")
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    check_size(name, text, [(node.name, node.lineno, node.end_lineno) for node in functions], findings)
    if name.startswith("scripts/"):
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not ast.get_docstring(node):
                if not node.name.startswith("_"):
                    findings.add(name, node.lineno, f"{node.name} has no docstring")
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LINE_MAXIMUM or line != line.rstrip():
            findings.add(name, number, "line too long or with blanks at its end")


def check_format(names, root, findings):
    """clang-format would change nothing."""
    sources = [n for n in names if n.endswith(C_FILES)]
    if not sources:
        return
    command = ["clang-format", "--dry-run", "-Werror", *sources]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        findings.add("clang-format", None, "not installed; run make lint, which installs it")
        return
    bad = dict.fromkeys(re.findall(r"^(\S+?):\d+:\d+: error", done.stderr, re.MULTILINE))
    for name in bad:
        findings.add(name, None, f"run clang-format -i {name}")
    if done.returncode and not bad:
        findings.add("clang-format", None, done.stderr.strip())


def lint(root):
    """Number of findings in the tree at root."""
    findings = Findings()
    names = files_of(root)
    check_names(names, findings)
    check_format(names, root, findings)
    sources = []
    for name in names:
        if name in README_MAXIMA:
            length = (root / name).read_text(encoding="utf-8").count("\n")
            if length > README_MAXIMA[name]:
                findings.add(name, None, f"{length} lines; {README_MAXIMA[name]} at most")
        is_script = name.endswith(".sh") or name == ".ci/run"
        if not (name.endswith(C_FILES + (".py",)) or is_script or name == "Makefile"):
            continue
        text = (root / name).read_text(encoding="utf-8")
        if name.endswith(C_FILES):
            check_c(name, text, root, findings)
        elif name.endswith(".py"):
            check_python(name, text, findings)
        if name.startswith(REPEAT_FOLDERS) and not REPEAT_FREE.match(name):
            sources.append((name, without_comments(text) if name.endswith(C_FILES) else text))
        if Path(name).name not in ("lint.py", "test_lint.py"):
            for line, found in matches(MARKS, text):
                findings.add(name, line, f"{found}: do it or leave it out")
            code = code_of(text) if name.endswith(C_FILES) else text
            for option in FORBIDDEN_OPTIONS:
                for line, found in matches(re.compile(re.escape(option)), code):
                    findings.add(name, line, f"{found}: results must mean the same everywhere")
        if is_script:
            shell = "bash" if "bash" in text.splitlines()[0] else "sh"
            done = subprocess.run([shell, "-n", name], cwd=root, capture_output=True, text=True, check=False)
            if done.returncode:
                findings.add(name, None, done.stderr.strip())
    check_repeats(sources, findings)
    print(f"lint: {len(names)} files, {findings.number} findings")
    return findings.number


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument("root", nargs="?", default=".", metavar="ROOT", type=Path)
    root = parser.parse_args().root.resolve()
    sys.exit(ended("lint.py", lambda: int(lint(root) > 0), "name the root of the tree"))
