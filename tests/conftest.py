"""What the Python tests share."""

import os
import tempfile

import pytest


@pytest.fixture
def folder():
    """An empty folder, in memory where there is one: the program syncs what it writes, which a disk makes slow."""
    memory = "/dev/shm"
    place = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as name:
        yield name
