"""Imported before what needs PyTorch: where that is missing, the script ends in one line, status 2."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("torch") is None:
    program = Path(sys.argv[0]).name
    print(f"{program}: {sys.executable} has no PyTorch; make parity and make peers-train fetch it", file=sys.stderr)
    sys.exit(2)
