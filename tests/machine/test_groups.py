"""Limits on memory, processes and CPUs: what does not fit is left out or refused, and says so."""

import json
import os
import resource
import struct
import uuid
from pathlib import Path

import pytest
from tensorfile import batchmark

GROUPS = Path("/sys/fs/cgroup")
LARGE = "mb1ic1ih11000"  # a tensor of 484 MB


def run(*arguments, before=None, **options):
    """The program's exit status and what it prints. `before` is called in the child."""
    result = batchmark(*arguments, preexec_fn=before, **options)
    return result.returncode, result.stderr + result.stdout


class Group:
    """A control group of one limit, one level below another one without, so that no limit stands where the process is."""

    def __init__(self, controller, limits):
        self.folders = []
        for root, limit in ((GROUPS / controller, limits[0]), (GROUPS, limits[1])):
            try:
                self.make(root, *limit)
                return
            except OSError as error:
                self.remove()
                reason = error
        pytest.skip(f"no control group can be made here: {reason}")

    def make(self, root, file, value):
        outer = root / f"batchmark-test-{uuid.uuid4().hex}"
        outer.mkdir()
        self.folders = [outer]
        if not (outer / file).exists():
            raise OSError(f"no {file} in a new folder of {root}")
        (outer / file).write_text(str(value))
        (outer / "inner").mkdir()
        self.folders.append(outer / "inner")

    def enter(self):
        (self.folders[-1] / "cgroup.procs").write_text("0")

    def remove(self):
        while self.folders:
            self.folders.pop().rmdir()


@pytest.fixture
def gibibyte():
    """A control group of 1 GiB of memory."""
    group = Group("memory", (("memory.limit_in_bytes", 1 << 30), ("memory.max", 1 << 30)))
    yield group
    group.remove()


@pytest.fixture
def twelve():
    """A control group of twelve processes: one child, six threads, and five more that may be on their way out."""
    group = Group("pids", (("pids.max", 12), ("pids.max", 12)))
    yield group
    group.remove()


def address_space():
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))


def left_out(status, text):
    assert status != 2 and "FAIL" not in text, text
    assert "GiB" in text and text.splitlines()[-1].endswith(" 0 failed, 1 skipped"), text


def test_a_case_too_large_for_its_control_group_is_left_out(gibibyte):
    left_out(*run("verify", "copy/naive", "--problem", LARGE, before=gibibyte.enter))


def test_a_case_too_large_for_its_address_space_is_left_out():
    left_out(*run("verify", "copy/naive", "--problem", LARGE, before=address_space))


def test_a_case_that_fits_is_verified(gibibyte):
    """Half of the group: the estimate must not refuse what there is room for."""
    status, text = run("verify", "copy/naive", "--problem", "mb1ic1ih5000", before=gibibyte.enter)
    assert status == 0 and text.splitlines()[-1].startswith("1 passed, 0 failed"), text


def test_info_shows_the_memory_of_the_group(gibibyte):
    status, text = run("info", "--quick", before=gibibyte.enter)
    assert status == 0 and "memory 1024 MiB" in text


def test_run_refuses_what_its_group_cannot_hold(gibibyte, folder):
    """The source fits, source and result with their copies do not."""
    values = 90000000
    header = json.dumps({"src": {"dtype": "F32", "shape": [1, 1, 1, values], "data_offsets": [0, 4 * values]}}).encode()
    source = Path(folder, "x.safetensors")
    with source.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + 4 * values)
    status, text = run(
        "run", "copy/naive", f"mb1ic1ih1iw{values}", "--in", source, "--out", Path(folder, "y"), before=gibibyte.enter
    )
    assert status == 2 and "GiB" in text and len(text.splitlines()) == 1, text


def test_train_refuses_what_its_group_cannot_hold(gibibyte):
    status, text = run("train", "vgg-relu", "--batch", "2000", "--steps", "1", before=gibibyte.enter)
    assert status == 2 and "GB" in text.splitlines()[-1], text


@pytest.mark.parametrize("command", ["train mlp --steps 1", "verify gemm/naive --problem 4x4:4x4", "train mlp --describe"])
def test_more_threads_than_processes_are_refused(twelve, command):
    status, text = run(*command.split(), "--threads", "40", before=twelve.enter)
    assert status == 2 and "room for no team larger than 6" in text and len(text.splitlines()) == 1, text


def test_as_many_threads_as_there_is_room_for_work(twelve):
    status, text = run("train", "mlp", "--steps", "1", "--verify", "off", "--threads", "6", before=twelve.enter)
    assert status == 0, text


def test_threads_beyond_the_limit_of_a_user_are_refused():
    """No limit of this kind holds for root."""
    if os.getuid():
        pytest.skip("needs root to become a user without processes")
    five = lambda: resource.setrlimit(resource.RLIMIT_NPROC, (5, 5))  # noqa: E731
    try:
        status, text = run("verify", "gemm/*", "--problem", "4x4:4x4", "--threads", "7", user=64321, before=five)
    except PermissionError:
        pytest.skip("the program is out of reach for users")
    assert status == 2 and "limits on processes" in text and len(text.splitlines()) == 1, text
