"""Where things lie, for the Python tests: conftest.py makes the scripts importable by name."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIXTURE = ROOT / "tests/results/fixture"


def script_file(name):
    """The one script of that name, whichever room it lies in."""
    (path,) = [path for path in (ROOT / "scripts").glob(f"*/{name}") if not path.is_symlink()]
    return path


def copy_scripts(tree, *names):
    """Copies the scripts so named to the same rooms of another tree, each with what its room shares."""
    for name in names:
        source = script_file(name)
        room = tree / source.parent.relative_to(ROOT)
        room.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, room)
        shutil.copy(source.parent / "command.py", room)
