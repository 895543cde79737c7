"""Safetensors files in NumPy, float32 only, for scripts and tests.

Written from the format's description, independently of the C code, so that the two check each other. The format is small;
a library for it would be one more thing to install.
"""

import json
import struct
from pathlib import Path

import numpy as np


def save(path, tensors, metadata=None):
    """Writes {name: array} as float32."""
    header = {"__metadata__": metadata} if metadata else {}
    pieces, end = [], 0
    for name, array in tensors.items():
        raw = np.ascontiguousarray(array, dtype="<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(np.shape(array)), "data_offsets": [end, end + len(raw)]}
        pieces.append(raw)
        end += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(pieces))


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
