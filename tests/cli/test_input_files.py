"""Every reader refuses what is no regular file in one line: a pipe could block, and a device never ends."""

import os
import re
import subprocess
import threading
from pathlib import Path

import pytest

from tensorfile import batchmark

SMALL = ["train", "dense 10", "--data", "synthetic:20:10", "--threads", "1", "--batch", "10", "--steps", "1"]
CALLS = {
    "verify --set": lambda path: ["verify", "copy/naive", "--set", path],
    "bench --set": lambda path: ["bench", "copy/naive", "--set", path],
    "bench --file": lambda path: ["bench", "copy/naive", "--file", path],
    "run --in": lambda path: ["run", "copy/naive", "mb2ic3", "--in", path, "--out", f"{path}.out"],
    "train --init": lambda path: [*SMALL, "--init", path],
    "train --resume": lambda path: ["train", "--resume", path],
    "infer": lambda path: ["infer", path],
}


def one_line(done, *says):
    """Status 2, and a line that says this."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert re.fullmatch(r"batchmark: [^\n]+\n", done.stderr), done.stderr
    for text in says:
        assert text in done.stderr, done.stderr


@pytest.mark.parametrize("call", CALLS)
def test_a_pipe_is_not_waited_for(call, folder):
    """Nobody writes to it."""
    path = f"{folder}/pipe"
    os.mkfifo(path)
    one_line(batchmark(*CALLS[call](path), timeout=20, stdin=subprocess.DEVNULL), path, "named pipe")


@pytest.mark.parametrize("call", [call for call in CALLS if call not in ("train --resume", "infer")])
def test_a_folder_is_no_file(call, folder):
    """Where a folder means nothing."""
    one_line(batchmark(*CALLS[call](folder), timeout=20), folder, "is a folder")


@pytest.mark.parametrize("kind", ["pipe", "folder"])
@pytest.mark.parametrize("name", ["last.safetensors", "best.safetensors"])
def test_a_checkpoint_that_is_no_file(name, kind, folder):
    """In the folder that --resume and infer are given."""
    path = Path(folder, name)
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    for call in (["train", "--resume", folder], ["infer", folder]):
        one_line(batchmark(*call, timeout=20), folder)


@pytest.mark.parametrize("kind", ["pipe", "folder"])
@pytest.mark.parametrize("name", ["data_batch_2.bin", "train.bin", "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz"])
def test_data_that_is_no_file(name, kind, folder):
    """The files of the data sets."""
    preset = {"d": "lenet", "t": "vgg-relu" if name == "train.bin" else "mlp"}[name[0]]
    path = Path(folder, name)
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    if name == "data_batch_2.bin":
        with open(Path(folder, "data_batch_1.bin"), "wb") as file:
            file.truncate(10000 * 3073)
    elif name == "train.bin":
        Path(folder, "test.bin").write_bytes(b"")
    else:
        Path(folder, "t10k-images-idx3-ubyte").write_bytes(b"")
    done = batchmark("train", preset, "--data", folder, "--steps", "1", "--threads", "1", timeout=20)
    one_line(done, folder)
    if not name.startswith("t10k"):
        assert f"{name}: not a regular file" in done.stderr


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_a_plan_that_is_no_file(kind, tmp_path):
    """Where --kernels auto looks for it."""
    call = ["train", "dense 10", "--data", "synthetic:20:10", "--threads", "1", "--steps", "1", "--kernels", "auto"]
    missing = batchmark(*call, cwd=tmp_path)
    path = tmp_path / re.search(r"\((results/.*?\.json): ", missing.stderr)[1]
    path.parent.mkdir(parents=True)
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    one_line(batchmark(*call, cwd=tmp_path, timeout=20), "not a regular file", "batchmark plan")


def test_a_set_that_grows(folder):
    """What is written to while it is read is refused. Comments only: a try that the writer missed is short."""
    path, done = Path(folder, "set"), threading.Event()

    def write():
        with open(path, "ab", buffering=0) as file:
            while not done.is_set():
                file.write(b"#\n")

    for _ in range(50):
        path.write_text("#" * 10**7 + "\n")
        done.clear()
        writer = threading.Thread(target=write)
        writer.start()
        try:
            finished = batchmark("bench", "copy/naive", "--file", path, "--list-rows", timeout=60)
        finally:
            done.set()
            writer.join()
        one_line(finished, str(path))
        if "grows while it is read" in finished.stderr:
            return
    raise AssertionError(finished.stderr)
