"""Safetensors files in NumPy, float32 only; and a way to run the program under test.

Written apart from the C code, from the format's description, so that the two check each other.
"""

import json
import os
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
BATCHMARK = os.environ.get("BATCHMARK", str(ROOT / "build" / "batchmark"))


def save(path, tensors, metadata=None):
    """Writes {name: array} as float32."""
    header = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, array in tensors.items():
        raw = np.asarray(array, dtype="<f4").tobytes()
        offsets = [len(data), len(data) + len(raw)]
        header[name] = {"dtype": "F32", "shape": list(np.shape(array)), "data_offsets": offsets}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def load(path):
    """{name: float32 array} of a file, whose layout is checked on the way, and its metadata."""
    raw = Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    assert length % 8 == 0, "the data are not aligned"
    header = json.loads(raw[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    data = raw[8 + length :]
    tensors = {}
    end = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        first, last = entry["data_offsets"]
        assert entry["dtype"] == "F32" and first == end, (name, entry)
        end = last
        tensors[name] = np.frombuffer(data[first:last], "<f4").reshape(entry["shape"])
    assert end == len(data), "bytes that belong to no tensor"
    return tensors, metadata


def batchmark(*arguments, timeout=120, **options):
    """Runs the program and returns the finished process, text captured."""
    command = [BATCHMARK, *map(str, arguments)]
    # Idle threads sleep: on a busy machine spinning ones would take the cores from those that work.
    options.setdefault("env", {"OMP_WAIT_POLICY": "passive", **os.environ})
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", timeout=timeout, check=False, **options
    )


def variants(pattern=""):
    """The variants that can run here, as `batchmark list --json` has them."""
    finished = batchmark("list", *([pattern] if pattern else []), "--json")
    if finished.returncode:
        return []
    return [row for row in json.loads(finished.stdout) if row["available"]]


class CannotDo(Exception):
    """The variant does not do this problem in this layout; the message is the program's reason."""


def run(variant, problem, tensors, folder, layout=None, threads=1):
    """Runs op/variant on arrays and returns the outputs as float32 arrays."""
    options = ["--layout", layout] if layout else []
    with tempfile.TemporaryDirectory(dir=folder) as place:
        source, result = Path(place) / "in.safetensors", Path(place) / "out.safetensors"
        save(source, tensors)
        finished = batchmark(
            "run", variant, problem, "--in", source, "--out", result, "--threads", threads, *options
        )
        if finished.returncode == 2 and " cannot do " in finished.stderr:
            raise CannotDo(finished.stderr.strip())
        assert finished.returncode == 0, f"{' '.join(finished.args)}: {finished.stderr.strip()}"
        return load(result)[0]
