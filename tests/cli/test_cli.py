"""Bad input: one line that says what, where and what to do; exit status 2; nothing half-written."""

import json
import os
import re
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from refusal import COMMANDS, good_call, refused
from tensorfile import BATCHMARK, batchmark, save

HELP = {command: batchmark(command, "--help").stdout for command in COMMANDS}


def takers(options):
    """(command, option) for each command whose help names the option."""
    return [(c, o) for c in COMMANDS for o in options if re.search(rf"{o}\b", HELP[c])]


def without(call, *options):
    """The call without these options and their values."""
    rest = list(call)
    for option in options:
        if option in rest:
            at = rest.index(option)
            del rest[at : at + 2]
    return rest


# The command line itself


def test_every_command_has_help():
    """--help of the program names the commands, and each has a help of its own."""
    finished = batchmark("--help")
    assert finished.returncode == 0 and not finished.stderr
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", finished.stdout, re.MULTILINE), command
        text = batchmark(command, "--help")
        assert text.returncode == 0 and not text.stderr and f"batchmark {command}" in text.stdout


NO_COMMANDS = [[], ["bogus"], [""], ["--bogus"], ["-x"], ["Run"], ["li\nst"], ["x" * 5000]]


@pytest.mark.parametrize("arguments", NO_COMMANDS, ids=range(len(NO_COMMANDS)))
def test_no_such_command(arguments):
    """No command, or none of that name."""
    refused(*arguments, says="batchmark --help")


UNKNOWN = ["--bogus", "-q", "-qv", "--bogus=3", "--help=3", "--bo\ngus", "--" + "x" * 3000]


@pytest.mark.parametrize("option", UNKNOWN, ids=range(len(UNKNOWN)))
@pytest.mark.parametrize("command", COMMANDS)
def test_unknown_option(command, option, folder):
    """The line names the option, wherever it stands."""
    call = good_call(command, folder)
    name = option.split("=")[0].replace("\n", "?")[: 50 if option[1] == "-" else 2]
    refused(*call, option, says=[name, "--help"], folder=folder)
    refused(call[0], option, *call[1:], says=[name, "--help"], folder=folder)


@pytest.mark.parametrize("command", COMMANDS)
def test_one_argument_too_many(command, folder):
    """The line names the argument."""
    refused(*good_call(command, folder), "surplus", says="surplus", folder=folder)


VALUED = ["--isa", "--threads", "--seed", "--set", "--problem", "--file", "--cache", "--out", "--in", "--layout"]
VALUED += ["--data", "--epochs", "--steps", "--batch", "--init", "--save", "--shuffle", "--kernels", "--random"]


@pytest.mark.parametrize("command, option", takers(VALUED))
def test_missing_value(command, option, folder):
    """An option at the end, without the value it needs."""
    refused(*good_call(command, folder), option, says=[option, "needs a value"], folder=folder)


JUNK = {
    "--threads": ["0", "-1", "1000000000", "99999999999999999999", "abc", "", "1.5", "2x", " 2", "0x2", "+1"],
    "--seed": ["-1", "abc", "", "1.5", "2x", "99999999999999999999999", " 7"],
    "--isa": ["avx9", "", "AVX2", "avx2,avx512", "neon!"],
    "--epochs": ["0", "-1", "abc", "", "1.5", "99999999999999999999"],
    "--steps": ["0", "-1", "abc", "", "1.5", "99999999999999999999"],
    "--batch": ["0", "-1", "abc", "", "1.5", "99999999999999999999"],
    "--random": ["0", "-1", "abc", "", "99999999999999999999"],
    "--cache": ["hot", "", "warm,,cold", "warm,hot"],
    "--shuffle": ["maybe", "", "1"],
    "--set": ["", "nosuchset", "/nonexistent/set.txt", "/dev/zero", "/"],
    "--file": ["", "/nonexistent/set.txt"],
    "--layout": ["", "chwn", "nchw:", ":nchw", "nchw:nhwc:nchw"],
    "--kernels": ["nosuchkernel", "nosuchop=*", "conv_fwd=nosuchkernel", "conv_fwd="],
    "--lr": ["abc", "", "-1", "nan", "inf"],
    "--optimizer": ["abc", ""],
    "--initial": ["abc", ""],
    "--pixels": ["abc", ""],
    "--augment": ["abc", "", "zoom 2", "flip,"],
    "--decay": ["abc", "", "-1", "nan", "1"],
    "--data": ["/nonexistent", "", "synthetic:0", "synthetic:x", "synthetic:10:0"],
    "--init": ["/nonexistent/w.safetensors", ""],
    "--save": ["/nonexistent/w.safetensors", ""],
    "--budget": ["abc", "", "-1", "nan"],
    "--limit": ["abc", "", "-1", "nan"],
    "--plan": ["abc", ""],
    "--timeout": ["0", "-1", "abc", "", "nan", "inf"],
    "--gate": ["nosuch", "", "exact,nosuch"],
    "--fuse": ["maybe", ""],
    "--log": ["-1", "abc", ""],
}


@pytest.mark.parametrize("command, option", takers(JUNK))
def test_junk_value(command, option, folder):
    """The line names the option or quotes the value."""
    call = good_call(command, folder)
    if option in ("--set", "--file", "--random"):
        call = without(call, "--problem")
    if option in ("--epochs", "--steps"):
        call = without(call, "--steps")
    for junk in JUNK[option]:
        line = refused(*call, option, junk, folder=folder)
        assert option in line or (junk or "''") in line, line


@pytest.mark.parametrize("command", ["verify", "bench"])
def test_junk_thread_lists(command, folder):
    """Lists of team sizes."""
    for junk in ["1,", ",1", "1,,2", "1,0", "1,abc", "max,1000000000", "2,-1"]:
        refused(*good_call(command, folder), "--threads", junk, says="--threads", folder=folder)


def test_output_that_cannot_be_written():
    """A full standard output is no success."""
    calls = [["--help"], ["list"], ["list", "--json"]] + [[c, "--help"] for c in COMMANDS]
    for call in calls:
        with open("/dev/full", "w", encoding="utf-8") as full:
            finished = subprocess.run(
                [BATCHMARK, *call], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
            )
        assert finished.returncode == 2, call
        assert re.fullmatch(r"batchmark: [^\n]*No space left[^\n]*\n", finished.stderr), finished.stderr


# Variants and problems

UNKNOWN_VARIANTS = ["copy/nosuch", "nosuch/naive", "nosuch", "copy", "copy/", "/naive", "", "copy/naive/x"]
UNKNOWN_VARIANTS += ["x" * 5000, "copy/" + "x" * 5000, "copy/%s%n"]


@pytest.mark.parametrize("name", UNKNOWN_VARIANTS, ids=lambda name: name[:20])
def test_run_unknown_variant(name, folder):
    """What is there instead is named."""
    call = good_call("run", folder)
    call[1] = name
    refused(*call, says="batchmark list", folder=folder)


def test_pattern_that_excludes():
    """A glob after ! takes out what it matches of those before it, alone of all."""

    def names(*pattern):
        return {(row["op"], row["variant"]) for row in json.loads(batchmark("list", *pattern, "--json").stdout)}

    gemm = names("gemm")
    assert names("gemm,!naive*") == {row for row in gemm if not row[1].startswith("naive")} < gemm
    assert names("!conv_*,!bn_*") == {row for row in names() if not row[0].startswith(("conv_", "bn_"))}
    assert names("gemm,!gemm,naive") == {row for row in names() if row[1] == "naive"}


@pytest.mark.parametrize("pattern", ["nosuch", "!*", "nosuch/*", "copy/nosuch", "x" * 5000], ids=range(5))
@pytest.mark.parametrize("command", ["list", "verify", "bench"])
def test_pattern_that_matches_nothing(command, pattern, folder):
    """A pattern without a variant is no success."""
    call = good_call(command, folder)
    call[1] = pattern
    refused(*call, says="batchmark list", folder=folder)


def test_run_above_the_cap(folder):
    """A variant of a higher level is refused, as on a CPU without it."""
    rows = json.loads(batchmark("list", "--json").stdout)
    above = [row for row in rows if row.get("isa", "base") != "base"]
    if not above:
        pytest.skip("this build has variants of the base level only")
    call = good_call("run", folder)
    call[1] = f"{above[0]['op']}/{above[0]['variant']}"
    refused(*call, "--isa", "base", says=[call[1], "cannot run here"], folder=folder)


CONV_PROBLEMS = {
    "": "empty problem",
    "mb2": "ic is missing",
    "mb2ic3ih5oc4kh3xx": "xx",
    "mb2ic3ih5oc4kh": "kh",
    "mb2ic3ih5oc4kh3kh3": "twice",
    "mb2ic3ih5oc4kh3 ": "character",
    "mb2ic3ih5oc4kh-3": "kh",
    "mb2ic3ih5oc4kh3.5": "character",
    "mb2ic3ih5oc4id5kh3": "3-D",
    "mb0ic3ih5oc4kh3": "mb must be 1 or more",
    "mb2ic3ih5oc4kh0": "kh must be 1 or more",
    "mb2ic3ih5oc4kh3sh0": "sh must be 1 or more",
    "g2mb2ic3ih5oc4kh3": "does not divide",
    "g0mb2ic3ih5oc4kh3": "g must be 1 or more",
    "mb2ic3ih5oc4kh7": "impossible shape",
    "mb2ic3ih5oc4kh3dh9": "impossible shape",
    "mb2ic3ih5oh0oc4kh3": "oh must be 1 or more",
    "mb99999999999ic3ih5oc4kh3": "mb",
    "mb2147483647ic2147483647ih5oc4kh3": "2^36",
    "mb65536ic65536ih65536oc1kh1": "2^36",
    "mb1ic1ih1oc2147483647kh2147483647ph2147483647": "",
    "mb16ic16oh2147483647sh2147483647oc16kh1": "",
    "mb1ic16oh1073741825ow1sh1073741824sw1oc1kh1kw1": "",
    "mb4ic4oh65536ow65536sh2147483647sw2147483647oc4kh1": "",
    "mb2ic3ih5oc4kh3eps-1": "eps",
    "mb2ic3ih5oc4kh3epsnan": "eps",
    'mb2ic3ih5oc4kh3n"open': "closing quote",
    "mb2ic3ih5oc4kh3*0": "multiplicity",
    "mb2ic3ih5oc4kh3\nmb2": "",
    "mb2ic3" * 200: "300 characters",
    "64x784:784x256": "",
    "iter100": "",
}


@pytest.mark.parametrize("problem", CONV_PROBLEMS, ids=lambda text: text[:40].encode("unicode_escape").decode())
def test_run_bad_problem(problem, folder):
    """Malformed descriptors, impossible shapes, sizes that overflow."""
    save(f"{folder}/a", {"src": np.ones((1, 1, 1, 1)), "weights": np.ones((1, 1, 1, 1))})
    files = ["--in", f"{folder}/a", "--out", f"{folder}/b"]
    refused("run", "conv_fwd/naive", problem, *files, says=CONV_PROBLEMS[problem], folder=folder)


@pytest.mark.parametrize("problem", ["mb2ic3ih5oc4kh7", "nonsense", "mb0ic3", "64x3:4x5", "iter0", "mb2ic3ih5oc4kh3xx"])
@pytest.mark.parametrize("command", ["verify", "bench"])
def test_bad_problem_elsewhere(command, problem, folder):
    """The same parser speaks in every command."""
    call = [problem if word == "mb2ic3" else word for word in good_call(command, folder)]
    refused(*call, says=problem, folder=folder)


OTHER_PROBLEMS = [
    ("gemm/naive", "4x5:6x7", "differ"),
    ("gemm/naive", "4x5", "MxK:KxN"),
    ("gemm/naive", "0x5:5x7", "1 or more"),
    ("gemm/naive", "1000000x1000000:1000000x1000000", "2^36"),
    ("gemm/naive", "4x5:5x7:7x8", "cannot read"),
    ("bn_fwd_train/naive", "mb2ic3oc5", "oc has no meaning"),
    ("bn_fwd_train/naive", "mb1ic3", "one value per channel"),
    ("bn_fwd_train/naive", "mb1ic3ih1", "one value per channel"),
    ("bn_bwd/naive", "mb1ic3", "one value per channel"),
    ("peak_fma/ref", "iter0", "from 1 to"),
    ("peak_fma/ref", "iter99999999", "from 1 to"),
    ("peak_fma/ref", "iter", "from 1 to"),
    ("copy/naive", "mb60000ic1000000", "memory"),
]


@pytest.mark.parametrize("name, problem, says", OTHER_PROBLEMS)
def test_run_bad_problem_of_other_kinds(name, problem, says, folder):
    """Products, batch normalization (training needs two values a channel, as in PyTorch), ceilings."""
    save(f"{folder}/a", {"src": np.ones((1, 3, 1, 1))})
    files = ["--in", f"{folder}/a", "--out", f"{folder}/b"]
    if says == "memory":
        # 240 GB of zeros that take no room on the disk.
        text = json.dumps({"src": {"dtype": "F32", "shape": [60000, 1000000], "data_offsets": [0, 240 * 10**9]}})
        with open(f"{folder}/sparse", "wb") as file:
            file.write(struct.pack("<Q", len(text)) + text.encode())
            file.truncate(8 + len(text) + 240 * 10**9)
        files[1] = f"{folder}/sparse"
        refused("run", name, problem, *files, says=says)
        assert sorted(os.listdir(folder)) == ["a", "sparse"]
        return
    refused("run", name, problem, *files, says=says, folder=folder)


# Sets


BAD_LINES = {
    "mb2ic3ih5oc4kh3\n# fine\n\nmb2ic3ih5oc4kh9\n": ":4: ",
    "mb2ic3\nnonsense\n": ":2: ",
    "mb2ic3ih5oc4kh3 extra\n": ":1: ",
    "mb99999999999ic3\n": ":1: ",
    "64x3:4x5\n": ":1: ",
    "# only a comment\n": "holds no problem",
    "": "holds no problem",
    "\x00\x01\x02\xff\xfe\n": ":1: ",
    "mb2ic3\r\nmb2ic\r\n": ":2: ",
    "x" * 100000: ":1: ",
}


@pytest.mark.parametrize("text", BAD_LINES, ids=range(len(BAD_LINES)))
@pytest.mark.parametrize("command, option", [("verify", "--set"), ("bench", "--set"), ("bench", "--file")])
def test_bad_set(command, option, text, folder):
    """File and line are named."""
    path = Path(folder) / "set.txt"
    path.write_bytes(text.encode("latin-1"))
    call = without(good_call(command, folder), "--problem")
    refused(*call, option, path, says=[str(path), BAD_LINES[text]], folder=folder)


@pytest.mark.parametrize("command", ["verify", "bench"])
def test_set_is_a_folder(command, folder):
    """A folder is no set."""
    call = without(good_call(command, folder), "--problem")
    refused(*call, "--set", folder, says=folder, folder=folder)


CACHES = "pack:1 l3:1(size=33554432) l2:2(size=1048576) l1d:1(size=32768) core:1 pu:1"


@pytest.mark.parametrize("topology, expected", [(CACHES, [1, 4, 16, 64, 256]), ("pack:1 core:2 pu:1", [1])])
def test_the_quick_plan_has_a_curve_of_bn(topology, expected):
    """One row a size, each four times the one before, up to the last-level cache: a small one where none is described."""
    environment = {**os.environ, "HWLOC_SYNTHETIC": topology}
    done = batchmark("bench", "bn_fwd_infer/apply_*,!*sse2*", "--list-rows", "--cache", "warm", env=environment)
    assert done.returncode == 0, done.stderr
    names = [line.split("/") for line in done.stdout.splitlines() if line.startswith("bn_fwd_infer/")]
    batches = sorted({int(found[1]) for name in names if (found := re.fullmatch(r"mb(\d+)ic60ih16", name[2]))})
    batches = [batch for batch in batches if batch != 80]  # of the seeds
    assert batches == expected
    for batch in batches:
        (row,) = [name for name in names if name[2] == f"mb{batch}ic60ih16"]
        assert row[3] == "nchw"
