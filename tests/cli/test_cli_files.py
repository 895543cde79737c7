"""Files that are bad, missing or not to be written: refused in one line, with nothing half-written left behind."""

import json
import os
import resource
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from refusal import good_call, refused
from tensorfile import BATCHMARK, save

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


def small_place(folder):
    """Where the small file system goes; skips where this process may not mount in a namespace of its own."""
    place = Path(folder) / "small"
    place.mkdir()
    command = in_small_file_system("size=64k", "true") + [str(place)]
    if not shutil.which("unshare") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this system lets nobody mount in a namespace (unshare)")
    return place


def test_run_full_disk(folder):
    """A real full file system: nothing is left on it."""
    place = small_place(folder)
    save(f"{folder}/a", {"src": np.ones((1, 1, 200, 200))})
    script = f'"$1" run copy/naive mb1ic1ih200 --in {folder}/a --out "$2/b"; code=$?; ls -A "$2"; exit $code'
    command = in_small_file_system("size=64k", script) + [str(place)]
    refused(command=command, says=["No space left", "free some space"])


def test_run_read_only(folder):
    """A file system that takes nothing."""
    place = small_place(folder)
    call = good_call("run", folder)
    script = f'"$1" run copy/naive mb2ic3ih4iw5 --in {call[4]} --out "$2/b"'
    command = in_small_file_system("ro", script) + [str(place)]
    refused(command=command, says=["Read-only", "a folder you may write to"])


# bench


@pytest.mark.parametrize("path", ["/proc/results", "/dev/null", "/dev/null/results"])
def test_bench_results_folder_that_cannot_be(path, folder):
    """Found out before an hour is spent measuring."""
    call = good_call("bench", folder)
    call[-1] = path
    refused(*call, says=path, folder=folder)


def test_bench_full_disk(folder):
    """Results appear whole or not at all."""
    place = small_place(folder)
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
    place = small_place(folder)
    script = (
        'dd if=/dev/zero of="$2/fill" bs=1k 2>/dev/null; '
        f'"$1" train lenet --steps 3 --data synthetic:40:10 --threads 1 {option} "$2/w" >/dev/null; code=$?; '
        'find "$2" -type f ! -name fill -size +0; exit $code'
    )
    command = in_small_file_system("size=16k", script) + [str(place)]
    refused(command=command, says="No space left")
