"""What the build and the set-up find on a machine, for both answers; the bare root's refusals."""

import os
import re
import shutil
import subprocess

import pytest

from paths import ROOT

NO_HEADERS = "g++ -nostdinc"


def run(*command, **environment):
    """A command at the top of the tree: its status and what it prints on both streams. The make that runs the tests is
    not to meddle with the one under test."""
    own = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**own, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def configured(compiler):
    """What the Makefile says of the libraries it found, those it leaves out, and its flags for the linker."""
    show = "show: ; @echo '$(found) | $(absent) | $(libraries)'"
    status, text = run("make", f"--eval={show}", "show", f"CXX={compiler}", "CC=gcc")
    assert status == 0, text
    return [part.strip() for part in text.strip().splitlines()[-1].split("|")]


def test_the_build_leaves_out_a_library_without_header():
    """Every machine had the header once, and a test that always says yes went unseen."""
    found, absent, libraries = configured(NO_HEADERS)
    assert "oneDNN: not found" in found and "onednn" in absent.split() and "-ldnnl" not in libraries
    assert "make peers installs onednn" in found


def test_the_build_names_the_library_it_found(tmp_path):
    """Header and version, from a folder made up here."""
    (tmp_path / "dnnl.h").write_text("")
    (tmp_path / "dnnl_version.h").write_text(
        "#define DNNL_VERSION_MAJOR 3\n#define DNNL_VERSION_MINOR 8\n#define DNNL_VERSION_PATCH 1\n"
    )
    found, absent, libraries = configured(f"{NO_HEADERS} -I{tmp_path}")
    assert "oneDNN 3.8.1: yes" in found and "onednn" not in absent.split() and "-ldnnl" in libraries


@pytest.mark.parametrize(
    ("check", "good"),
    [
        ("command:no-such-program|sh", True),
        ("command:no-such-program", False),
        ("file:/no/such|/etc/pass*d", True),
        ("file:/no/such", False),
        ("python:json", True),
        ("python:no_such_module", False),
    ],
)
def test_the_probe_knows_both_answers(check, good):
    """Status and a line for what is there; status alone for what is not."""
    status, text = run("scripts/setup/probe.sh", check)
    assert (status == 0 and len(text.splitlines()) == 1) if good else (status == 1 and not text)


def test_what_a_group_can_do_without_is_asked_for():
    """Without a Python nothing of Python's holds: optional packages are named only on request."""
    status, text = run("scripts/setup/setup.sh", "--check", "test", PYTHON="/no/python")
    assert status == 1 and "python3-numpy" in text and "selenium" not in text
    status, text = run("scripts/setup/setup.sh", "--check", "--optional", "test", PYTHON="/no/python")
    assert status == 1 and "python3-selenium" in text


def test_a_bare_root_is_made_by_root_alone():
    """One line, and nothing is begun."""
    other = ["setpriv", "--reuid", "65534", "--clear-groups"] if os.getuid() == 0 else []
    status, text = run(*other, "bash", "scripts/setup/fresh.sh")
    assert status == 2 and len(text.splitlines()) == 1 and "needs root" in text


def test_a_compiler_still_to_be_installed_has_a_folder():
    """The set-up of the same command installs it: paths must not change meanwhile."""
    status, text = run("make", "--eval=show: ; @echo $(out)", "show", "CC=no-such-clang", "CXX=g++")
    assert status == 0 and text.strip().splitlines()[-1] == f"build/{os.uname().machine}-no-such-clang"


def test_clang_itself_is_installed_for_clang(tmp_path):
    """Where no program of that name is in PATH."""
    for tool in ("sh", "dirname", "awk"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    status, text = run("scripts/setup/setup.sh", "--check", "clang", PATH=str(tmp_path))
    assert status == 1 and re.search(r"^ +clang ", text, re.MULTILINE), text
