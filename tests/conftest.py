"""What the Python tests share."""

import os
import sys
import tempfile

import pytest
from paths import ROOT

# NumPy may load OpenMP's runtime, which would bind this process, and so all that it starts, to one core. What starts later
# is to see these settings again.
BINDINGS = {name: os.environ.pop(name) for name in ("OMP_PROC_BIND", "OMP_PLACES") if name in os.environ}
import numpy  # noqa: E402, F401

os.environ.update(BINDINGS)

sys.path[:0] = [str(room) for room in sorted((ROOT / "scripts").iterdir()) if room.is_dir()]


@pytest.fixture
def folder():
    """An empty folder, in memory where there is one: the program syncs what it writes, which a disk makes slow."""
    memory = "/dev/shm"
    place = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as name:
        yield name
