"""scripts/setup/setup.sh and packages of another architecture: added to apt in a chroot that wants it, and nowhere else."""

import os
import subprocess
from pathlib import Path

import pytest

from paths import script_file

SETUP = script_file("setup.sh")

missing = subprocess.run([SETUP, "--check", "neon"], capture_output=True, text=True, check=False).stdout
pytestmark = [
    pytest.mark.skipif(":arm64" not in missing, reason="the libraries for AArch64 are here"),
    pytest.mark.skipif(not Path("/etc/debian_version").exists(), reason="this is not Debian"),
]


def run_setup(folder, chroot, *options):
    """The script on a system whose apt only writes down what it is told."""
    said = Path(folder) / "said"
    programs = {
        "ischroot": f"exit {0 if chroot else 1}",
        "dpkg": f'[ "$1" != --print-foreign-architectures ] || exit 0; echo "dpkg $*" >>"{said}"',
        "apt-get": f'echo "apt-get $*" >>"{said}"',
        "sudo": 'exec "$@"',
    }
    for name, text in programs.items():
        path = Path(folder) / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        [SETUP, *options, "neon"], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    return done, said.read_text() if said.exists() else ""


@pytest.mark.parametrize("chroot, options", [(False, ()), (False, ("--foreign",)), (True, ())])
def test_no_system_gets_another_architecture(folder, chroot, options):
    done, said = run_setup(folder, chroot, *options)
    assert done.returncode == 2
    assert done.stdout == "" and done.stderr.count("\n") == 1
    assert "packages of arm64" in done.stderr and "scripts/setup/fresh.sh" in done.stderr
    assert said == ""


def test_a_chroot_that_wants_it_does(folder):
    done, said = run_setup(folder, True, "--foreign")
    assert done.returncode == 0, done.stderr
    lines = said.splitlines()
    assert lines[0] == "dpkg --add-architecture arm64"
    assert any(line.startswith("apt-get") and "libhwloc-dev:arm64" in line for line in lines)
