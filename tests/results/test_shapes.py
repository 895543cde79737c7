"""make shapes: the winner of each shape and its margin, from planted rows; a time that is none."""

import subprocess
import sys

import pytest

import planted
import results
import shapes
from paths import script_file
from tensorfile import batchmark


def row(op, variant, problem, time, layout="nchw", threads=2, **counters):
    """One row of so many microseconds."""
    name = f"{op}/{variant}/{problem}/{layout}/warm/t{threads}"
    return {"name": name, "real_time": time, "time_unit": "us", "rung": 60, "threads": threads, "cv": 0.01, **counters}


ROWS = [
    row("conv_fwd", "direct_avx2_omp", "mb1ic16ih8oc16kh3", 30),
    row("conv_fwd", "direct_planes_avx2_omp", "mb1ic16ih8oc16kh3", 20),
    row("conv_fwd", "winograd4_avx2_omp", "mb1ic16ih8oc16kh3", 10, label="fail"),
    row("conv_fwd", "direct_avx2_omp", "mb1ic16ih8oc16kh3", 8, layout="nhwc"),
    row("conv_fwd", "direct_avx2_omp", "mb1ic16ih8oc16kh3", 40, threads=1, cv=0.2),
    row("conv_fwd", "direct_planes_avx2_omp", "mb1ic16ih8oc16kh3", 60, threads=1),
    row("peak_fma", "avx2_omp", "iter100", 1),
]


def test_the_winner_of_each_layout_and_team_and_its_margin(tmp_path):
    run = results.load(planted.write(tmp_path, ROWS))
    found = {(case["layout"], case["threads"]): case for case in shapes.winners(run, "avx2")}
    assert set(found) == {("nchw", 2), ("nhwc", 2), ("nchw", 1)}
    told = {key: (case["winner"], case["next"], case["margin"], case["stable"]) for key, case in found.items()}
    # What failed verification wins nothing.
    assert told["nchw", 2] == ("direct_planes", "direct", pytest.approx(1.5), True)
    assert told["nhwc", 2] == ("direct", None, None, True)
    assert told["nchw", 1] == ("direct", "direct_planes", pytest.approx(1.5), False)


def test_a_picture_of_it(tmp_path):
    cases = list(shapes.winners(results.load(planted.write(tmp_path, ROWS)), "avx2"))
    assert shapes.draw({"cases": cases}, tmp_path).stat().st_size > 1000


@pytest.mark.parametrize("text, seconds", [("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200)])
def test_times(text, seconds):
    assert shapes.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-3", "3x", "1.5m"])
def test_a_time_that_is_none(text):
    call = [sys.executable, "-B", script_file("shapes.py"), "none", f"--limit={text}"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "--limit" in done.stderr


def test_the_set_has_what_is_said_of_it():
    """Channels 1 to 2048, images 2 to 224, kernels 1, 3, 5 and 7, strides, depthwise."""
    listed = batchmark("bench", "conv_fwd/direct_*_omp", "--set", "shapes", "--threads", "1", "--list-rows").stdout
    for part in ("ic1ih", "ic2048ih", "ih2oc", "ih224oc", "kh1", "kh3", "kh5", "kh7", "sh2", "g960mb"):
        assert part in listed, part
