"""The Python scripts on a small run of made-up figures (tests/results/fixture) and on damaged ones."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import conclusion
import peers
import planted
import plots
import results
import scaling
import summary
from paths import FIXTURE, ROOT, script_file


def call(script, *arguments):
    """Runs a script as a user would."""
    command = [sys.executable, "-B", script_file(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(name="run")
def loaded_run():
    """The fixture, read."""
    return results.load(FIXTURE)


def test_repetitions_become_one_row_with_the_median(run):
    row = next(r for r in run.rows if r.name == "conv_fwd/naive/mb80ic60ih32oc60kh3ph1/nchw/warm/t1")
    assert row.seconds == pytest.approx(1.2)
    assert (row.rung, row.threads, row.cache, row.layout) == (10, 1, "warm", "nchw")
    assert len([r for r in run.rows if r.name == row.name]) == 1


def test_units_of_time_are_honoured(tmp_path):
    entry = {"name": "gemm/naive/2x2:2x2/gemm_nn/warm/t1", "real_time": 3.0, "time_unit": "ms"}
    assert results.load(planted.write(tmp_path, [entry])).rows[0].seconds == pytest.approx(3e-3)


def test_best_is_the_fastest_and_never_the_reference(run):
    rows = [r for r in run.of("conv_fwd") if r.problem == "mb80ic60ih32oc60kh3ph1"]
    assert results.best(rows).variant == "direct_avx512_omp"
    reference = results.Row("x", "conv_fwd", "ref", "p", "nchw", "warm", 1, 1e-9)
    assert results.best([reference, *rows]).variant == "direct_avx512_omp"
    assert results.best([reference]) is None


def test_ladder_climbs_by_rung_and_takes_the_fastest(run):
    rows = run.of("conv_fwd")
    problem = results.telling_problem(rows)
    assert problem == "mb80ic60ih32oc60kh3ph1"
    steps = results.ladder([r for r in rows if r.problem == problem])
    assert [rung for rung, _ in steps] == [10, 11, 20, 30, 40, 50, 60]


def test_unstable_rows_are_marked_and_counted(run):
    assert sum(r.unstable for r in run.rows) == 1
    text = "\n".join(summary.report(run))
    assert "1.9 ms*" in text
    assert conclusion.conclude(run).disturbed.startswith("Disturbed: 1 of 41 rows varied by over 5 %")


def conv_entry(variant, problem, threads, rung, **counters):
    """A row of a forward convolution of a hundredth of a gigaflop."""
    name = f"conv_fwd/{variant}/{problem}/nchw/warm/t{threads}"
    return {"name": name, "real_time": 10 / counters["gflops"], "time_unit": "ms", "rung": rung, **counters}


SMALL, LARGE = "mb20ic60ih4oc60kh3ph1", "mb4ic60ih16oc60kh3ph1"
TOLD = [
    conv_entry("naive", LARGE, 1, 10, gflops=0.5, pct_peak=0.2),
    conv_entry("direct_omp", LARGE, 2, 60, gflops=160, gflops_actual=160, pct_peak=64),
    conv_entry("winograd_omp", LARGE, 2, 62, gflops=190, gflops_actual=58, pct_peak=23),
    conv_entry("naive", SMALL, 1, 10, gflops=0.5, pct_peak=0.2),
    # The largest share of the peak, and not the fastest.
    conv_entry("direct_omp", SMALL, 2, 60, gflops=175, gflops_actual=175, pct_peak=70),
]


def test_the_picture_is_of_the_ladder_that_is_told(tmp_path, monkeypatch):
    run = results.load(planted.write(tmp_path, TOLD))
    assert f"the ladder on {LARGE}," in "\n".join(summary.op_block(run, "conv_fwd"))
    drawn = []
    monkeypatch.setattr(plots, "LEAST_RUNGS", 2)
    monkeypatch.setattr(plots, "draw_op_ladder", lambda _axis, *panel: drawn.append(panel))
    plots.draw_ladder(run, tmp_path)
    ((op, problem, steps),) = drawn
    assert (op, problem, [row.variant for _, row in steps]) == ("conv_fwd", LARGE, ["naive", "direct_omp", "winograd_omp"])


@pytest.mark.parametrize(
    "value, text",
    [(None, "-"), (0.0329, "0.0329"), (1, "1.00"), (9.96, "9.96"), (12.34, "12.3"), (999.6, "1000"), (12345, "12345")],
)
def test_figures_have_three_digits(value, text):
    assert conclusion.number(value) == text


@pytest.mark.parametrize(
    "seconds, text", [(2, "2 s"), (0.0123, "12.3 ms"), (4.5e-5, "45 us"), (7e-9, "7 ns")]
)
def test_durations_have_units(seconds, text):
    assert conclusion.duration(seconds) == text


def test_summary_prints_a_table_per_operation():
    done = call("summary.py", FIXTURE)
    assert done.returncode == 0, done.stderr
    for heading in ("conv_fwd", "conv_bwd_data", "gemm", "bn_fwd_train", "ceilings", "training"):
        assert heading in done.stdout.splitlines()


def test_plots_are_drawn_with_units_on_their_axes(tmp_path):
    done = call("plots.py", FIXTURE, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    names = {"ladder", "roofline", "heatmap", "bandwidth", "error", "training", "split"}
    assert {Path(line).stem for line in done.stdout.splitlines()} == names
    for name in names:
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (tmp_path / f"{name}.svg").read_text()
    assert "GFLOP/s" in (tmp_path / "roofline.svg").read_text()


def test_plots_leave_out_what_was_not_measured(tmp_path):
    document = json.loads((FIXTURE / "bench.json").read_text())
    document["benchmarks"] = [b for b in document["benchmarks"] if b["name"].startswith("gemm/")]
    (tmp_path / "bench.json").write_text(json.dumps(document))
    done = call("plots.py", tmp_path)
    assert done.returncode == 0, done.stderr
    assert [Path(line).stem for line in done.stdout.splitlines()] == ["ladder"]


DAMAGED = ["", "{", "[]", '{"benchmarks": [{"name": "no/such"}]}', '{"benchmarks": 3}', '{"benchmarks": [7]}']
DAMAGED += ['{"benchmarks": []}', '{"context": [1], "benchmarks": []}', '{"context": {"machine": "x"}, "benchmarks": []}']
CACHES = ("5", '[{"level": 1}]', '[{"level": 1, "size": 1.5}]')
DAMAGED += [f'{{"context": {{"caches": {caches}}}, "benchmarks": []}}' for caches in CACHES]
DAMAGED += ['{"context": {"schema_version": 9}, "benchmarks": []}']


@pytest.mark.parametrize("script, text", [("plots.py", "{"), *(("summary.py", text) for text in DAMAGED)])
def test_damaged_results_are_one_line_and_status_2(script, text, tmp_path):
    (tmp_path / "bench.json").write_text(text)
    done = call(script, tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "bench.json: " in done.stderr and "; " in done.stderr


@pytest.mark.parametrize("script", ["summary.py", "plots.py", "peers.py", "scaling.py"])
def test_missing_results_say_what_to_do(script, tmp_path):
    done = call(script, tmp_path / "none")
    assert done.returncode == 2
    assert "run make bench first" in done.stderr
    assert len(done.stderr.splitlines()) == 1


NO_EVENTS = [b'{"event"', b"\xff\xfe{", b"7"]
NO_EVENTS += [b'{"event": "epoch", "test_accuracy": "good"}', b'{"event": "summary", "share_bn": []}']


WITH_OPTIONS = ["plots.py", "compare.py", "report.py", "fetch_data.py", "experiments.py", "summary.py", "peers.py"]
WITH_OPTIONS += ["scaling.py", "lint.py", "selftest_bench.py", "check_spills.py", "check_results.py"]


@pytest.mark.parametrize("script", WITH_OPTIONS)
def test_an_option_that_is_none_is_one_line(script):
    done = call(script, "--no-such", "x")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and "--no-such" in done.stderr and "--help" in done.stderr


@pytest.mark.parametrize(
    "script, words, said",
    [
        ("selftest_bench.py", ["--processes", "none"], "'none' is no whole number"),
        ("selftest_bench.py", ["--processes", "2"], "at least"),
        ("check_spills.py", ["/no/such.o"], "/no/such.o: No such file"),
        ("check_spills.py", [__file__], "name objects or folders"),
        ("check_spills.py", [ROOT / "scripts"], "name a folder that make build filled"),
        ("summary.py", ["one", "two"], "two"),
    ],
)
def test_what_cannot_be_done_is_one_line(script, words, said):
    done = call(script, *words)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and said in done.stderr


@pytest.mark.parametrize("script, place", [("plots.py", "x"), ("compare.py", "x"), ("report.py", "x/page.html")])
def test_where_nothing_can_be_written_is_one_line(script, place, tmp_path):
    (tmp_path / "x").write_text("no folder")
    done = call(script, FIXTURE, FIXTURE, "--out", tmp_path / place)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1 and f"{tmp_path}/x" in done.stderr and "--out" in done.stderr


def test_a_reader_that_has_seen_enough_is_no_mistake():
    done = subprocess.run(
        f"{sys.executable} -B scripts/results/summary.py '{FIXTURE}' | true; echo ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("0\n", "")


@pytest.mark.parametrize("line", NO_EVENTS)
def test_a_damaged_training_log_names_its_line(line, tmp_path):
    shutil.copy(FIXTURE / "bench.json", tmp_path)
    (tmp_path / "train-lenet.jsonl").write_bytes(b'{"event": "step", "step": 1, "loss": 2.3}\n' + line + b"\n")
    done = call("summary.py", tmp_path)
    assert done.returncode == 2
    assert "train-lenet.jsonl:2" in done.stderr and len(done.stderr.splitlines()) == 1


def test_newest_run_wins(tmp_path):
    for age, name in ((100, "old"), (0, "new")):
        folder = tmp_path / "machine" / name
        folder.mkdir(parents=True)
        shutil.copy(FIXTURE / "bench.json", folder)
        stamp = 1_700_000_000 - age
        os.utime(folder / "bench.json", (stamp, stamp))
    assert results.newest(tmp_path).name == "new"
    with pytest.raises(results.ResultsError):
        results.newest(tmp_path / "machine" / "old")


def peer_run(folder, rows, **context):
    """A run of rows (name, rung, microseconds, label), each with two repetitions around that time."""
    entries = []
    for name, rung, time, label in rows:
        for factor in (0.99, 1.01):
            entry = {"name": name, "run_type": "iteration", "real_time": time * factor, "time_unit": "us"}
            entries.append({**entry, "rung": rung, "label": label})
    return results.load(planted.write(folder, entries, peers=["oneDNN 2.6.3"], **context))


PEER_ROWS = [
    ("conv_fwd/direct_avx512_omp/mb1ic16ih8oc16kh3ph1/nchw/warm/t2", 60, 100, "pass"),
    ("conv_fwd/direct_avx512_omp/mb1ic16ih8oc16kh3ph1/nchw16c/warm/t2", 60, 50, "pass"),
    ("conv_fwd/direct_avx512_omp/mb1ic16ih8oc16kh3ph1/nchw/warm/t1", 60, 1, "pass"),
    ("conv_fwd/direct_avx512bf16_omp/mb1ic16ih8oc16kh3ph1/nchw/warm/t2", 60, 1, "pass"),
    ("conv_fwd/ref/mb1ic16ih8oc16kh3ph1/nchw/warm/t1", 0, 1, "pass"),
    ("conv_fwd/onednn_direct/mb1ic16ih8oc16kh3ph1/nchw16c/warm/t2", 90, 200, "pass"),
    ("conv_fwd/onednn_direct/mb1ic16ih8oc16kh3ph1/nchw/warm/t2", 90, 300, "pass"),
    ("conv_fwd/onednn_winograd/mb1ic16ih8oc16kh3ph1/nchw16c/warm/t2", 90, 100, "fail unstable"),
    ("conv_fwd/rows_avx512_omp/mb1ic3ih8oc16kh5/nchw/warm/t2", 60, 80, "pass"),
    ("conv_fwd/onednn_direct/mb1ic3ih8oc16kh5/nchw16c/warm/t2", 90, 40, "pass"),
    ("bn_bwd/twopass_avx512_omp/mb1ic16ih8/nchw/warm/t2", 60, 10, "pass"),
    ("reorder/onednn/mb1ic16ih8/nchw:nchw16c/warm/t2", 90, 10, "pass"),
    ("reorder/tiled_avx512_omp/mb1ic16ih8/nchw:nchw16c/warm/t2", 60, 5, "pass"),
    ("reorder/tiled_avx512_omp/mb1ic16ih8/nchw16c:nchw/warm/t2", 60, 1, "pass"),
    ("copy/onednn/mb1ic1ih1iw64/nchw/warm/t2", 90, 1, "pass"),
]


def test_duels_are_fought_on_equal_terms(tmp_path):
    duels = peers.duels(peer_run(tmp_path, PEER_ROWS))
    assert list(duels) == ["conv_fwd", "reorder"]
    first, second = duels["conv_fwd"]
    # Neither the reference, nor bfloat16, nor the same variant on fewer threads.
    assert (first.best.layout, first.best.seconds) == ("nchw16c", pytest.approx(50e-6))
    assert first.plain.seconds == pytest.approx(100e-6)
    assert first.peer().variant == "onednn_winograd"
    assert first.peer("onednn_direct").seconds == pytest.approx(200e-6)
    assert first.plain_peer.seconds == pytest.approx(300e-6)
    assert peers.ratio(second.peer(), second.best) == pytest.approx(0.5)
    assert [d.layer for d in duels["reorder"]] == ["mb1ic16ih8 nchw:nchw16c"]


def test_a_variant_that_changes_the_layout_fights_for_its_layer(tmp_path):
    """A first layer from nchw into nchw16c is as much a convolution as one in one layout."""
    pair = ("conv_fwd/direct_image_avx512_omp/mb1ic3ih8oc16kh5/nchw:nchw16c/warm/t2", 62, 20, "pass")
    _, second = peers.duels(peer_run(tmp_path, [*PEER_ROWS, pair]))["conv_fwd"]
    assert second.best.variant == "direct_image_avx512_omp"
    assert second.plain.variant == "rows_avx512_omp"
    assert peers.ratio(second.peer(), second.best) == pytest.approx(2)


def test_means_and_rows_behind(tmp_path):
    duels = peers.duels(peer_run(tmp_path, PEER_ROWS))
    means = {what: (count, mean) for what, count, mean in peers.means(duels["conv_fwd"])}
    # 100 / 50 on one layer, 40 / 80 on the other.
    assert means["best against best peer"] == (2, pytest.approx(1))
    assert means["best against oneDNN's Winograd where it applies"] == (1, pytest.approx(2))
    assert means["best against oneDNN elsewhere"] == (1, pytest.approx(0.5))
    assert means["nchw against best peer in nchw"] == (1, pytest.approx(3))
    assert [(round(r, 2), layer) for r, _, layer, _, _ in peers.behind(duels)] == [(0.5, "mb1ic3ih8oc16kh5")]


def test_comparison_is_printed_and_written(tmp_path):
    peer_run(tmp_path, PEER_ROWS, set="seeds")
    done = call("peers.py", tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "peers.md").read_text()
    for text in (done.stdout, page):
        assert "oneDNN 2.6.3" in text and "set seeds" in text
        assert "onednn_winograd nchw16c (fail)" in text
        assert "behind the best peer (ratio below 0.95): 1 of 3 rows" in text


def test_scaling_divides_one_thread_by_more(tmp_path):
    rows = [
        ("conv_fwd/direct_avx512_omp/mb1ic16ih8oc16kh3ph1/nchw/warm/t1", 60, 4000, "pass"),
        ("conv_fwd/direct_avx512_omp/mb1ic16ih8oc16kh3ph1/nchw/warm/t2", 60, 2500, "pass"),
        ("conv_fwd/direct_avx512_omp/mb1ic16ih8oc16kh3ph1/nchw/warm/t4", 60, 1001, "pass"),
        ("conv_fwd/direct_avx512_omp/mb1ic16ih8oc16kh3ph1/nchw16c/warm/t2", 60, 1, "pass"),
        ("peak_fma/avx512/iter300/flat/warm/t1", 40, 1, "pass"),
        ("peak_fma/avx512/iter300/flat/warm/t2", 40, 1, "pass"),
    ]
    found = scaling.pairs(peer_run(tmp_path, rows))
    assert list(found) == ["conv_fwd"]
    assert [round(scaling.efficiency(*pair), 3) for pair in found["conv_fwd"]] == [0.8, 0.999]
    assert [round(row[0], 3) for row in scaling.short_of_goal(found)] == [0.8]
    done = call("scaling.py", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "over 1 ms, and not bound by memory, below 92.5 %: 1 rows" in done.stdout
    peer_run(tmp_path, rows[:1])
    refused = call("scaling.py", tmp_path)
    assert refused.returncode == 2 and "make scaling" in refused.stderr


def test_a_run_without_peers_is_refused(tmp_path):
    peer_run(tmp_path, [row for row in PEER_ROWS if row[1] < 90])
    done = call("peers.py", tmp_path)
    assert done.returncode == 2
    assert "make peers" in done.stderr
