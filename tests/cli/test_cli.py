"""Bad input: one line that says what, where and what to do; exit status 2; nothing half-written."""

import json
import os
import re
import resource
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tensorfile import BATCHMARK, batchmark, save



def listing(folder):
    """Every file below a folder with its contents."""
    return {str(p): p.read_bytes() if p.is_file() else None for p in Path(folder).rglob("*")}


def refused(*arguments, says=(), folder=None, command=None, **options):
    """Runs the program, which must refuse: status 2, one line on stderr that holds each of `says`, nothing on
    stdout, and no file made or changed below `folder`."""
    before = listing(folder) if folder else None
    if command is None:
        finished = batchmark(*arguments, stdin=subprocess.DEVNULL, **options)
    else:
        finished = subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL
        )
    what = f"{' '.join(map(str, finished.args))[:300]}\n{finished.stdout[:300]}{finished.stderr[:600]}"
    assert finished.returncode == 2, what
    assert re.fullmatch(r"batchmark: [^\n]{10,700}\n", finished.stderr), what
    assert not finished.stdout, what
    for part in [says] if isinstance(says, str) else says:
        assert part in finished.stderr, f"should say '{part}': {what}"
    if folder:
        assert listing(folder) == before, what
    return finished.stderr


COMMANDS = ["list", "verify", "bench", "run", "train", "info"]
HELP = {command: batchmark(command, "--help").stdout for command in COMMANDS}


def takers(options):
    """(command, option) for each command whose help names the option."""
    return [(c, o) for c in COMMANDS for o in options if re.search(rf"{o}\b", HELP[c])]


def good_call(command, folder):
    """A call of the command that would work, without options that the tests below add."""
    if command == "run":
        save(f"{folder}/a", {"src": np.ones((2, 3, 4, 5))})
        out = f"{folder}/b"
        return ["run", "copy/naive", "mb2ic3ih4iw5", "--in", f"{folder}/a", "--out", out]
    return {
        "list": ["list", "copy/naive"],
        "verify": ["verify", "copy/naive", "--problem", "mb2ic3"],
        "bench": ["bench", "copy/naive", "--problem", "mb2ic3", "--out", f"{folder}/results"],
        "train": ["train", "lenet", "--steps", "1", "--data", "synthetic:20:10", "--threads", "1"],
        "info": ["info"],
    }[command]


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


# Tensor files


def raw_file(path, header, data=b"", length=None):
    """A file with that header, right or wrong."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    length = len(text) if length is None else length
    Path(path).write_bytes(struct.pack("<Q", length) + text + data)


def entry(shape, first, last, dtype="F32"):
    """A tensor's entry in a header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


SRC = [2, 3, 4, 5]
DATA = bytes(480)
FILES = {
    "empty": (lambda path: Path(path).write_bytes(b""), "too few"),
    "text": (lambda path: Path(path).write_text("these are no tensors at all"), "is it a safetensors file?"),
    "header length": (lambda path: raw_file(path, {"src": entry(SRC, 0, 480)}, DATA, 1 << 40), "header claims"),
    "header beyond": (lambda path: raw_file(path, {"src": entry(SRC, 0, 480)}, b"", 500), "header claims"),
    "no JSON": (lambda path: raw_file(path, b"{" + b"x" * 30, DATA), "no valid JSON"),
    "no object": (lambda path: raw_file(path, [1, 2], DATA), "does not start with {"),
    "truncated": (lambda path: raw_file(path, {"src": entry(SRC, 0, 480)}, DATA[:-1]), "truncated?"),
    "too long": (lambda path: raw_file(path, {"src": entry(SRC, 0, 480)}, DATA + b"x"), "behind the last tensor"),
    "sizes differ": (lambda path: raw_file(path, {"src": entry([2, 3, 4, 4], 0, 480)}, DATA), "takes 384 bytes"),
    "half": (lambda path: raw_file(path, {"src": entry(SRC, 0, 240, "F16")}, DATA[:240]), "dtype is F16"),
    "double": (lambda path: raw_file(path, {"src": entry(SRC, 0, 960, "F64")}, DATA * 2), "dtype is F64"),
    "overflow": (lambda path: raw_file(path, {"src": entry([2**62, 4], 0, 0)}), "overflows"),
    "twice": (
        lambda path: raw_file(path, b'{"src":1,"src":2}'),
        "duplicate",
    ),
    "missing tensor": (lambda path: save(path, {}), "'src' of shape [2,3,4,5] is missing"),
    "wrong shape": (lambda path: save(path, {"src": np.ones((2, 3, 5, 4))}), "the problem needs [2,3,4,5]"),
    "wrong rank": (lambda path: save(path, {"src": np.ones(120)}), "has shape [120]"),
    "unknown tensor": (lambda path: save(path, {"src": np.ones(SRC), "bias": np.ones(3)}), "'bias' is unknown to copy"),
    "an output": (lambda path: save(path, {"src": np.ones(SRC), "dst": np.ones(SRC)}), "'dst' is an output"),
    "odd name": (lambda path: save(path, {"src": np.ones(SRC), "a\nb%s": np.ones(1)}), "'a?b%s' is unknown"),
}


@pytest.mark.parametrize("kind", FILES)
def test_run_bad_tensor_file(kind, folder):
    """Header, shapes and names of the input file."""
    call = good_call("run", folder)
    write, says = FILES[kind]
    write(f"{folder}/a")
    refused(*call, says=[f"{folder}/a", says], folder=folder)


@pytest.mark.parametrize("path", ["/nonexistent/a", "/dev/null", "/", "", "x" * 5000], ids=range(5))
def test_run_input_that_is_no_file(path, folder):
    """Nothing there, or nothing to read tensors from."""
    call = good_call("run", folder)
    call[4] = path
    refused(*call, says=path[:100], folder=folder)


NO_OUTPUTS = ["/nonexistent/b", "/dev/full", "/dev/null", "/", "/proc/b", "", "x" * 5000]


@pytest.mark.parametrize("path", NO_OUTPUTS, ids=range(len(NO_OUTPUTS)))
def test_run_output_that_cannot_be(path, folder):
    """Where no file can be made, and where making one would do harm."""
    call = good_call("run", folder)
    call[6] = path
    refused(*call, says=path[:100], folder=folder)
    assert not Path("/dev/full").is_file() and not Path("/dev/null").is_file()


def test_run_output_below_a_file(folder):
    """A file is no folder."""
    call = good_call("run", folder)
    call[6] = f"{folder}/a/b"
    refused(*call, says="Not a directory", folder=folder)


@pytest.mark.parametrize("missing", [3, 5])
def test_run_without_a_file(missing, folder):
    """--in and --out are both needed."""
    call = good_call("run", folder)
    option = call[missing]
    refused(*call[:missing], *call[missing + 2 :], says=f"{option} FILE is missing", folder=folder)


def limited(size):
    """For a child: no file may grow beyond `size` bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_run_over_the_file_size_limit(folder):
    """The output stays away when it does not fit, and the old one stays as it was."""
    call = good_call("run", folder)
    refused(*call, says="File too large", folder=folder, preexec_fn=limited(300))
    Path(folder, "b").write_text("old")
    refused(*call, says="File too large", folder=folder, preexec_fn=limited(300))


def in_small_file_system(options, script):
    """A command that runs `script` (a shell's, $1 the program, $2 the folder) with a small file system at $2."""
    setup = f'mount -t tmpfs -o {options} none "$2" && {script}'
    # Root needs no user namespace, and in a changed root gets none.
    become_root = [] if os.getuid() == 0 else ["--map-root-user"]
    return ["unshare", "--mount", *become_root, "sh", "-c", setup, "sh", BATCHMARK]


def mounts_work(folder):
    """May this process mount in a namespace of its own?"""
    if not shutil.which("unshare"):
        return False
    command = in_small_file_system("size=64k", "true") + [str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_run_full_disk(folder):
    """A real full file system: nothing is left on it."""
    place = Path(folder) / "small"
    place.mkdir()
    if not mounts_work(place):
        pytest.skip("this system lets nobody mount in a namespace (unshare)")
    save(f"{folder}/a", {"src": np.ones((1, 1, 200, 200))})
    script = f'"$1" run copy/naive mb1ic1ih200 --in {folder}/a --out "$2/b"; code=$?; ls -A "$2"; exit $code'
    command = in_small_file_system("size=64k", script) + [str(place)]
    refused(command=command, says=["No space left", "free some space"])


def test_run_read_only(folder):
    """A file system that takes nothing."""
    place = Path(folder) / "small"
    place.mkdir()
    if not mounts_work(place):
        pytest.skip("this system lets nobody mount in a namespace (unshare)")
    call = good_call("run", folder)
    script = f'"$1" run copy/naive mb2ic3ih4iw5 --in {call[4]} --out "$2/b"'
    command = in_small_file_system("ro", script) + [str(place)]
    refused(command=command, says=["Read-only", "a folder you may write to"])


# bench


def test_the_quick_plan_has_a_curve_of_bn():
    """One row a size, each four times the one before."""
    done = batchmark("bench", "bn_fwd_infer/apply_*,!*sse2*", "--list-rows", "--cache", "warm")
    assert done.returncode == 0, done.stderr
    names = [line.split("/") for line in done.stdout.splitlines() if line.startswith("bn_fwd_infer/")]
    batches = sorted({int(found[1]) for name in names if (found := re.fullmatch(r"mb(\d+)ic60ih16", name[2]))})
    batches = [batch for batch in batches if batch != 80]  # of the seeds
    assert batches[:2] == [1, 4]
    assert all(larger == 4 * smaller for smaller, larger in zip(batches, batches[1:]))
    for batch in batches:
        (row,) = [name for name in names if name[2] == f"mb{batch}ic60ih16"]
        assert row[3] == "nchw"


@pytest.mark.parametrize("path", ["/proc/results", "/dev/null", "/dev/null/results"])
def test_bench_results_folder_that_cannot_be(path, folder):
    """Found out before an hour is spent measuring."""
    call = good_call("bench", folder)
    call[-1] = path
    refused(*call, says=path, folder=folder)


def test_bench_full_disk(folder):
    """Results appear whole or not at all."""
    place = Path(folder) / "small"
    place.mkdir()
    if not mounts_work(place):
        pytest.skip("this system lets nobody mount in a namespace (unshare)")
    script = (
        'dd if=/dev/zero of="$2/fill" bs=1k 2>/dev/null; '
        '"$1" bench copy/naive --problem mb2ic3 --budget 0.01 --out "$2/r" >/dev/null; code=$?; '
        'find "$2" -type f ! -name fill; exit $code'
    )
    command = in_small_file_system("size=16k", script) + [str(place)]
    refused(command=command, says="No space left")


# train


@pytest.mark.parametrize("network", ["nosuchnet", "", "conv", "conv 32", "conv x 3x3", "conv 32 3x3; bogus", "dense 0"])
def test_train_unknown_network(network, folder):
    """Presets and texts that cannot be read."""
    call = good_call("train", folder)
    call[1] = network
    refused(*call, folder=folder)


IMAGE = 1 + 3072
CIFAR_FILES = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]


def cifar(folder):
    """A folder with CIFAR-10's six binary files of 10000 black airplanes, which take no room on the disk."""
    for name in CIFAR_FILES:
        with open(Path(folder, name), "wb") as file:
            file.truncate(10000 * IMAGE)


def spoil(folder, kind):
    """Makes one of the six files bad and returns its name."""
    name = {"label": "data_batch_2.bin", "missing test": "test_batch.bin"}.get(kind, "data_batch_3.bin")
    path = Path(folder, name)
    if kind.startswith("missing"):
        path.unlink()
    elif kind == "folder":
        path.unlink()
        path.mkdir()
    elif kind == "label":
        with open(path, "r+b") as file:
            file.seek(7 * IMAGE)
            file.write(bytes([10]))
    else:
        os.truncate(path, {"empty": 0, "truncated": 10000 * IMAGE - 1, "too long": 10001 * IMAGE}[kind])
    return name


@pytest.mark.parametrize(
    "kind", ["missing", "missing test", "folder", "label", "empty", "truncated", "too long"]
)
def test_train_bad_data(kind, folder):
    """Missing and truncated files, labels out of range: the line names the file."""
    data = Path(folder) / "cifar"
    data.mkdir()
    cifar(data)
    name = spoil(data, kind)
    says = [str(data / name)] + (["label 10"] if kind == "label" else [])
    refused("train", "lenet", "--steps", "1", "--data", data, says=says)
    assert sorted(os.listdir(data)) == sorted(set(CIFAR_FILES) - ({name} if "missing" in kind else set()))


def test_train_data_folder_is_empty(folder):
    """The first file that is not there is named."""
    refused("train", "lenet", "--steps", "1", "--data", folder, says=[folder, "data_batch_1.bin"], folder=folder)


@pytest.mark.parametrize("kind", ["empty", "text", "header length", "truncated", "wrong shape"])
def test_train_bad_weights(kind, folder):
    """Weights to start from that are none, or another network's."""
    FILES[kind][0](f"{folder}/w")
    call = good_call("train", folder) + ["--init", f"{folder}/w"]
    refused(*call, says=f"{folder}/w", folder=folder)


@pytest.mark.parametrize("path", ["/nonexistent/log", "/proc/log", "/", ""], ids=range(4))
def test_train_log_that_cannot_be(path, folder):
    """Found out before the first step."""
    line = refused(*good_call("train", folder), "--json", path, folder=folder)
    assert "--json" in line or (path or "''") in line, line


@pytest.mark.parametrize("option", ["--save", "--json"])
def test_train_full_disk(option, folder):
    """Weights appear whole or not at all; a log that ends early is no success."""
    place = Path(folder) / "small"
    place.mkdir()
    if not mounts_work(place):
        pytest.skip("this system lets nobody mount in a namespace (unshare)")
    script = (
        'dd if=/dev/zero of="$2/fill" bs=1k 2>/dev/null; '
        f'"$1" train lenet --steps 3 --data synthetic:40:10 --threads 1 {option} "$2/w" >/dev/null; code=$?; '
        'find "$2" -type f ! -name fill -size +0; exit $code'
    )
    command = in_small_file_system("size=16k", script) + [str(place)]
    refused(command=command, says="No space left")
