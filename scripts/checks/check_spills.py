#!/usr/bin/python3
"""Fails when a hot loop keeps vectors on the stack.

    scripts/checks/check_spills.py FOLDER_OR_OBJECT...

Disassembles the objects and looks at every function named hot_* (or a compiler's clone of one). In the innermost loops no
vector register may be loaded from or stored to the stack: that is a spill, and it takes slots of the load and store ports
that the loop needs. An innermost loop is a backward jump whose range contains no target of another backward jump. Works on
x86-64 and AArch64 objects. Exit status 1 on a spill, 2 if objects cannot be read or none has a hot function.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from command import Mistake, Parser, ended

FUNCTION = re.compile(r"^[0-9a-f]+ <(?P<name>[^>]+)>:$")
INSTRUCTION = re.compile(r"^\s*(?P<address>[0-9a-f]+):\s+(?P<text>\S.*)$")
TARGET = re.compile(r"\b(?P<address>[0-9a-f]+) <[^>]+>")
X86_JUMP = re.compile(r"^(notrack )?j[a-z]+\s")
ARM_JUMP = re.compile(r"^(b|b\.[a-z]+|cbz|cbnz|tbz|tbnz)\s")
# AT&T operands: a stack address next to a vector register, the frame pointer only when it is one (see below).
X86_VECTOR = re.compile(r"%[xyz]mm\d+")
# Reads one scalar, as many times as it is used: not a vector that found no register.
X86_BROADCAST = re.compile(r"^v?p?broadcast")
X86_STACK = re.compile(r"\(%rsp[,)]")
X86_FRAME = re.compile(r"-0x[0-9a-f]+\(%rbp[,)]")
X86_FRAME_POINTER = re.compile(r"^mov\s+%rsp,%rbp")
ARM_VECTOR_MOVE = re.compile(r"^(ldr|str|ldp|stp|ldur|stur|ld1|st1)\s.*\b[qvds]\d+.*\[sp\b")
ARM_FRAME_MOVE = re.compile(r"^(ldr|str|ldp|stp|ldur|stur|ld1|st1)\s.*\b[qvds]\d+.*\[x29\b")


def disassemble(path):
    """Yields (function, [(address, text), ...]) for every function of an object."""
    with open(path, "rb") as file:
        machine = int.from_bytes(file.read(20)[18:20], "little")
    tool = "objdump"
    if machine == 183 and shutil.which("aarch64-linux-gnu-objdump"):
        tool = "aarch64-linux-gnu-objdump"
    command = [tool, "-d", "--no-show-raw-insn", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no word"]
        raise Mistake(f"{path}: {tool} ended with status {done.returncode}: {said[-1]}; name objects or folders of them")
    name, body = None, []
    for line in done.stdout.splitlines():
        start = FUNCTION.match(line)
        if start:
            if name:
                yield name, body
            name, body = start["name"], []
            continue
        instruction = INSTRUCTION.match(line)
        if instruction and name:
            body.append((int(instruction["address"], 16), instruction["text"].split("#")[0].strip()))
    if name:
        yield name, body


def innermost_loops(body):
    """(first, last) indices of the loops of a function in which no other loop begins."""
    index = {address: i for i, (address, _) in enumerate(body)}
    loops = set()
    for i, (_, text) in enumerate(body):
        if X86_JUMP.match(text) or ARM_JUMP.match(text):
            target = TARGET.search(text)
            first = index.get(int(target["address"], 16)) if target else None
            if first is not None and first <= i:
                loops.add((first, i))
    # Compilers move parts of an outer loop behind its inner one, so that the two overlap without nesting. So only
    # the beginning of the other loop counts.
    return [
        (first, last)
        for first, last in sorted(loops)
        if not any(first < a <= last or (a == first and b < last) for a, b in loops)
    ]


def spills(body):
    """The instructions of the innermost loops that move vectors to or from the stack."""
    framed = any(X86_FRAME_POINTER.match(text) for _, text in body)
    found = []
    for first, last in innermost_loops(body):
        for address, text in body[first : last + 1]:
            on_stack = X86_STACK.search(text) or (framed and X86_FRAME.search(text))
            x86 = X86_VECTOR.search(text) and on_stack and not X86_BROADCAST.match(text)
            if x86 or ARM_VECTOR_MOVE.match(text) or ARM_FRAME_MOVE.match(text):
                found.append((address, text))
    return found


def is_hot(name):
    """Is this one of the functions whose loops must not spill?"""
    return name.startswith("hot_")


def objects_of(paths):
    """The objects named, and those of kernels/ below the folders named."""
    for path in map(Path, paths):
        if path.is_dir():
            yield from sorted((path / "kernels").rglob("*.o"))
        else:
            yield path


def main():
    """Checks what the command line names and returns the exit status."""
    parser = Parser(description=__doc__)
    parser.add_argument("paths", nargs="+", help="objects, or build folders with kernels/ in them")
    paths = parser.parse_args().paths
    return ended("check_spills.py", lambda: check(paths), "make build makes the objects")


def check(paths):
    """Prints the spills of those objects; 1 where there is any."""
    functions = loops = bad = 0
    for path in objects_of(paths):
        for name, body in disassemble(path):
            if not is_hot(name):
                continue
            functions += 1
            loops += len(innermost_loops(body))
            for address, text in spills(body):
                bad += 1
                print(f"{path}: {name}+{address - body[0][0]:#x}: {text}")
    print(f"{functions} hot functions, {loops} innermost loops, {bad} spills")
    if not functions:
        raise Mistake(f"{', '.join(paths)}: no function named hot_*: nothing was checked; name a folder that make build filled")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
