"""Other libraries' kernels (rung 9x), where they were found at build time: gates, `run`, `bench --plan peers`, training."""

import json
import subprocess

import numpy as np
import pytest

from paths import ROOT
from tensorfile import batchmark, load, save

LISTED = [row for row in json.loads(batchmark("list", "--json").stdout) if row["rung"] >= 90]


def require(library):
    """Skips the test where this build has no peer of the library."""
    rows = [row for row in LISTED if library in row["variant"]]
    assert rows, f"no file of kernels/ is called after {library}"
    missing = [row for row in rows if not row["available"]]
    if missing:
        pytest.skip(f"{library}: {missing[0]['why']}")


@pytest.mark.parametrize("library", ["onednn", "openblas"])
def test_peers_pass_the_gates_on_smoke(library):
    require(library)
    done = batchmark("verify", f"*/{library}*", "--set", "smoke", "--threads", "1,2", "--seed", "1")
    assert done.returncode == 0 and "PEER" not in done.stdout, done.stdout[-2000:]
    assert int(done.stdout.split(" passed")[0].split()[-1]) > 0


@pytest.mark.parametrize("layout", ["nchw", "nchw16c"])
def test_results_come_back_from_the_library_s_memory(layout, tmp_path):
    require("onednn")
    rng = np.random.default_rng(1)
    src, weights = rng.standard_normal((2, 3, 9, 8)), rng.standard_normal((21, 3, 3, 3))
    save(f"{tmp_path}/in", {"src": src, "weights": weights})
    outputs = []
    for variant, form in (("ref", "nchw"), ("onednn_direct", layout)):
        call = ["run", f"conv_fwd/{variant}", "mb2ic3ih9iw8oc21kh3ph1", "--layout", form]
        done = batchmark(*call, "--in", f"{tmp_path}/in", "--out", f"{tmp_path}/{variant}")
        assert done.returncode == 0, done.stderr
        outputs.append(load(f"{tmp_path}/{variant}")[0]["dst"])
    assert np.abs(outputs[0]).max() > 1
    np.testing.assert_allclose(outputs[1], outputs[0], atol=1e-5)


def test_the_plan_times_both_sides_and_names_the_library(tmp_path):
    require("onednn")
    call = ["bench", "conv_fwd", "--plan", "peers", "--problem", "mb2ic16ih8oc16kh3ph1", "--budget", "0.01"]
    done = batchmark(*call, "--threads", "1", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "bench.json").read_text())
    assert any(name.startswith("oneDNN ") for name in document["context"]["peers"])
    rows = [row for row in document["benchmarks"] if row["op"] == "conv_fwd"]
    assert {row["variant"] for row in rows if row["rung"] >= 90} >= {"onednn_direct", "onednn_plain"}
    assert any(row["rung"] < 90 for row in rows)
    assert all(row["peer"].startswith(("oneDNN ", "OpenBLAS ")) for row in rows if row["rung"] >= 90)
    # Every row took part in every round; what was disturbed is timed again afterwards.
    least = min(row["rounds"] for row in rows)
    assert all(row["rounds"] == least or row["disturbed"] for row in rows)


def test_training_refuses_peers():
    require("onednn")
    done = batchmark("train", "lenet", "--steps", "1", "--data", "synthetic:20:10", "--kernels", "conv_fwd=onednn_direct")
    assert done.returncode == 2
    assert "onednn_direct" in done.stderr and "library" in done.stderr


def test_an_absent_library_is_listed_with_what_to_do():
    file = "kernels/conv_fwd/90_onednn_direct.c"
    call = ["sh", "harness/problem/table.sh", "registry", "x86_64", "onednn", file, "kernels/conv_fwd/00_ref.c"]
    table = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "make peers installs it" in table
    assert "&conv_fwd_onednn_direct" not in table and "&conv_fwd_ref" in table
