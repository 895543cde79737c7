"""The verdict at the end of make bench: short, in order, true to the rows, and without figures of unstable rows."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

import conclusion
import planted
import results
import summary
from paths import ROOT, copy_scripts

OPS = ("conv_fwd", "conv_bwd_data", "conv_bwd_weights")
LENET, VGG = "mb10ic6ih14oc16kh5", "mb4ic60ih16oc60kh3ph1"


def row(op, variant, problem, time, layout="nchw", rung=60, **counters):
    """One row of so many microseconds."""
    name = f"{op}/{variant}/{problem}/{layout}/warm/t2"
    return {"name": name, "real_time": time, "time_unit": "us", "rung": rung, "threads": 2, "cv": 0.01, **counters}


ROWS = [row(op, "naive", p, 9000, rung=10, gflops=1) for op in OPS for p in (LENET, VGG)]
ROWS += [row(op, "rows_avx512_omp", LENET, 30, gflops=100, gflops_actual=100, pct_peak=40) for op in OPS]
ROWS += [row(op, "direct_avx512_omp", VGG, 200, gflops=150, gflops_actual=150, pct_peak=60) for op in OPS]
ROWS += [row("conv_fwd", "winograd4_avx512_omp", VGG, 90, "nchw16c", gflops=330, gflops_actual=90, pct_peak=36)]
ROWS += [row("bn_fwd_train", "twopass_avx512_omp", "mb80ic60ih32", 800, gbps=20, pct_copy=55)]
ROWS += [row("bn_bwd", "twopass_avx512_omp", "mb80ic60ih32", 1200, gbps=22, pct_copy=75)]
ROWS += [row("peak_fma", "avx512_omp", "iter100", 50, "flat", gflops_actual=250)]
TRAINING = {
    "lenet": {"images_per_second": 1200.0, "share_conv": 0.7},
    "lenet-bn": {"images_per_second": 1000.0, "share_conv": 0.6, "share_bn": 0.1},
    "vgg-relu": {"images_per_second": 300.0, "share_conv": 0.9},
    "vgg-relu-bn": {"images_per_second": 305.0, "share_conv": 0.8, "share_bn": 0.12},
}


def concluded(folder, entries, training=(), **context):
    """The conclusion of planted rows."""
    run = results.load(planted.write(folder, entries, **context))
    run.training = [
        {"preset": name, "steps": [], "turns": [[]], "epochs": [], "summary": TRAINING[name]} for name in training
    ]
    return conclusion.conclude(run)


def test_three_questions_in_order_in_twelve_lines(tmp_path):
    lines = concluded(tmp_path, ROWS, TRAINING).text()
    assert lines[1:3] == [
        "LeNet step with BN: 60 % convolution, 10 % BN and its ReLU; BN adds 20 % (1000 images/s, 1200 without)",
        "VGG step with BN: 80 % convolution, 12 % BN and its ReLU; BN adds nothing that shows (305.0 images/s, 300.0 without)",
    ]
    head, first, second, third = [line.split("  ") for line in lines[3:7]]
    assert head[0] == "fastest float32 variant (each ..._avx512_omp)"
    assert first[0] == f"3x3, 60 channels, 16x16 ({VGG})" and first[-1] == "direct" and "winograd4 in nchw16c" in lines[4]
    assert second[0] == f"5x5, 6 to 16 channels, 14x14 ({LENET})" and lines[5].count("rows") == 3
    assert third[0] == "BN, 60 channels, 32x32 (mb80ic60ih32)" and lines[6].count("twopass") == 2
    assert "100 to 330 GFLOP/s" in lines[7] and "36 to 60 % of the FMA peak of 250 GFLOP/s" in lines[7]
    assert "20 to 22 GB/s, 55 to 75 % of what a copy" in lines[8]
    assert lines[9] == f"Disturbed: nothing; all {len(ROWS)} rows repeated within 5 %"
    assert [line.split()[1:3] for line in lines[10:]] == [["make", "report"], ["build/batchmark", "bench"]]
    assert all(len(line) <= 128 for line in lines)


@pytest.mark.parametrize(
    "rates, adds",
    [
        ([150, 200, 201, 202, 203, 90, 200, 201, 202, 199], "BN adds 49 %"),
        ([200, 150, 250, 120, 290, 200], "BN adds 50 %*"),
        ([], "BN adds 20 %"),
    ],
)
def test_the_price_of_bn_is_of_the_median_step(tmp_path, rates, adds):
    """One slow step in ten is no price; steps that vary are marked."""
    run = results.load(planted.write(tmp_path, ROWS))
    run.training = [{"preset": name, "epochs": [], "summary": TRAINING[name]} for name in ("lenet", "lenet-bn")]
    for training, factor in zip(run.training, (1.5, 1)):
        steps = [{"event": "step", "images_per_second": factor * rate} for rate in rates]
        training["turns"] = [steps if factor == 1 or not rates else [{"images_per_second": 300.0}] * 6]
    assert f"{adds} (" in conclusion.conclude(run).costs[0]


def write_turns(path, preset, paces):
    """A log of one training in turns, each of five steps at its pace."""
    events = []
    for turn, rate in enumerate(paces):
        steps = range(5 * turn + 1, 5 * turn + 6)
        events += [{"event": "step", "step": s, "epoch": 1, "loss": 1.0, "images_per_second": float(rate)} for s in steps]
        events.append({"event": "epoch", "epoch": turn // 2 + 1, "seconds": 1.5 * (turn % 2 + 1), "test_accuracy": 0.1 * turn})
        events.append({"event": "summary", "preset": preset, **TRAINING[preset]})
    path.write_text("".join(json.dumps(event) + "\n" for event in events))


@pytest.mark.parametrize(
    "plain, with_bn, said",
    [
        # The machine doubles its pace midway: the ratio of what ran side by side stays.
        ([120, 120, 240, 242, 240], [100, 100, 200, 200, 200], "BN adds 20 % (200.0 images/s, 240.0 without)"),
        # Where it does so within turns, the figure is marked.
        ([120, 240, 240, 120, 240], [100, 100, 200, 200, 100], "BN adds 20 %* ("),
    ],
)
def test_the_price_of_bn_is_of_networks_that_took_turns(tmp_path, plain, with_bn, said):
    folder = planted.write(tmp_path, ROWS)
    write_turns(folder / "train-lenet.jsonl", "lenet", plain)
    write_turns(folder / "train-lenet-bn.jsonl", "lenet-bn", with_bn)
    run = results.load(folder)
    assert [(len(t["turns"]), len(t["steps"])) for t in run.training] == [(5, 25)] * 2
    # Two turns of five steps make an epoch of ten.
    epochs = [(e["epoch"], e["seconds"], round(e["test_accuracy"], 1)) for e in run.training[0]["epochs"]]
    assert epochs == [(1, 3.0, 0.1), (2, 3.0, 0.3), (3, 1.5, 0.4)]
    assert said in conclusion.conclude(run).costs[0]


def test_bfloat16_is_not_the_fastest_of_float32(tmp_path):
    fast = row("conv_fwd", "direct_avx512bf16_omp", VGG, 45, gflops=660, gflops_actual=660, pct_peak=66)
    told = concluded(tmp_path, [*ROWS, fast])
    assert not any("bf16" in cell for line in told.table for cell in line)
    assert told.bounds[-1] == (
        f"Not float32: direct_avx512bf16_omp rounds its inputs to bfloat16 and is up to 2.0 times as fast ({VGG})"
    )
    table = summary.op_block(results.load(tmp_path), "conv_fwd")
    first, second = [line.split() for line in table if VGG in line and "ladder" not in line]
    assert first[1] == "winograd4_avx512_omp" and second[1:4] == ["direct_avx512bf16_omp", "(bfloat16", "products)"]
    # Of rows that failed and of other libraries nothing is said either.
    others = [row("conv_fwd", "wrong", VGG, 1, label="fail"), row("conv_fwd", "onednn_direct", VGG, 1, rung=90)]
    assert concluded(tmp_path, [*ROWS, *others]).text() == concluded(tmp_path, ROWS).text()[:-3] + [
        f"Disturbed: nothing; all {len(ROWS) + 2} rows repeated within 5 %", *concluded(tmp_path, ROWS).text()[-2:]
    ]  # fmt: skip


@pytest.mark.parametrize("counters", [{"pct_peak": 100.4}, {"over_ceiling": True}])
def test_more_than_all_is_not_quoted_and_counted(tmp_path, counters):
    over = row("conv_fwd", "winograd4_avx512_omp", VGG, 80, gflops=370, gflops_actual=300, **counters)
    told = concluded(tmp_path, [*ROWS, over])
    assert "1 rows beat their measured ceiling" in told.disturbed
    assert not any("100" in line.partition("GFLOP/s;")[2] for line in told.bounds)


def test_what_was_disturbed_is_one_line_with_the_worst(tmp_path):
    shaky = [row("gemm", "packed_avx512_omp", f"{n}x8:8x8", 10, "nn", cv=n / 100, label="pass unstable") for n in (7, 19, 12)]
    machine = {**planted.MACHINE, "load": 2.3}
    warnings = ["723 rows were not timed (the first: x: no time)", "the hypervisor took 7 % of the CPU time: ..."]
    said = concluded(tmp_path, [*ROWS, *shaky], machine=machine, warnings=warnings).disturbed
    assert said.startswith(f"Disturbed: 3 of {len(ROWS) + 3} rows varied by over 5 % (*; worst gemm/packed_avx512_omp, 19 %)")
    assert said.endswith("; 723 rows were not timed; the hypervisor took 7 % of the time; load 2.3: run again when it is quiet")


@pytest.mark.parametrize(
    "problem, name",
    [
        ("mb4ic60ih16oc60kh3ph1", "3x3, 60 channels, 16x16"),
        ("mb16ic3ih224oc64kh7sh2ph3", "7x7, 3 to 64 channels, 224x224, stride 2"),
        ("mb32ic256iw128oc64kw3", "1x3, 256 to 64 channels, 1x128"),
        ("g32mb16ic32ih112oc32kh3ph1", "3x3, 32 channels, 112x112, 32 groups"),
        ("mb80ic60ih8", "BN, 60 channels, 8x8"),
        ("mb64ic256", "BN, 256 channels"),
        ("64x784:784x256", "784 to 256 values, 64 rows"),
        ("iter100", "iter100"),
    ],
)
def test_layers_have_names(problem, name):
    assert conclusion.layer_name(problem) == name


def test_little_was_measured_and_that_is_said(tmp_path):
    lines = concluded(tmp_path, [row("gemm", "naive", "2x2:2x2", 1, "nn")]).text()
    assert lines == ["Planted CPU (Made up), 2 threads", "Disturbed: nothing; all 1 rows repeated within 5 %", *lines[2:]]


def test_warnings_of_one_kind_are_one_line():
    many = [f"conv_fwd/x/mb{n}ic1/nchw/warm/t2: {n} % of the copy bandwidth: do not publish it" for n in (104, 131, 110)]
    told = conclusion.grouped([*many, "the load average is 1.94", "the load average is 1.94"])
    assert told == [f"{many[1]} (the worst of 3 like it; bench.json has all)", "the load average is 1.94"]


PROGRAM = """#!/bin/sh
echo "batchmark $*" >>{calls}
case $1 in
bench) mkdir -p results/planted/run && cp {rows} results/planted/run/bench.json ;;
train)
    network=$2
    [ "$network" != --resume ] || network=${{3##*/}}
    while [ "$1" != --json ]; do shift; done
    [ ! -e "$2" ] || exit 9
    cp "{calls}.$network" "$2"
    ;;
esac
"""


@pytest.fixture(name="tree")
def pretended_tree(tmp_path):
    """A tree of its own where bench.sh finds a program that measures nothing, and pictures that nobody draws."""
    copy_scripts(tmp_path, "bench.sh", "conclusion.py", "results.py", "summary.py", "tables.py")
    (tmp_path / "scripts/results/plots.py").write_text("print('ladder.png')")
    (tmp_path / "results").mkdir()
    shutil.copy(ROOT / "results" / "schema.json", tmp_path / "results")
    for name, summary in TRAINING.items():
        (tmp_path / f"calls.{name}").write_text(json.dumps({"event": "summary", "preset": name, **summary}) + "\n")
    (tmp_path / "build").mkdir()
    program = tmp_path / "build" / "batchmark"
    program.write_text(PROGRAM.format(calls=tmp_path / "calls", rows=planted.write(tmp_path / "rows", ROWS) / "bench.json"))
    program.chmod(0o755)
    (tmp_path / "temporary").mkdir()
    return tmp_path


def test_make_bench_ends_in_the_verdict_and_keeps_all_in_the_log(tree):
    environment = {**os.environ, "LIMIT": "7", "TMPDIR": str(tree / "temporary"), "PYTHON": sys.executable}
    done = subprocess.run(
        ["sh", "scripts/results/bench.sh", "quick"],
        cwd=tree, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    folder = tree / "results" / "planted" / "run"
    run = results.load(folder)
    assert done.stdout.splitlines()[-13:] == ["", *conclusion.conclude(run).text()]
    assert (folder / "log.txt").read_text() == done.stdout
    assert [path.name for path in (tree / "build").iterdir()] == ["batchmark"] and not list((tree / "temporary").iterdir())
    calls = (tree / "calls").read_text()
    assert "bench --plan quick --limit 7\n" in calls
    # Networks of a pair take turns, each where it ended.
    order = re.findall(r"train (?:--resume \S+/)?(\S+) .*--(?:epochs|steps) (\d+) ", calls)
    assert order == [(n, str(2 * turn)) for turn in range(1, 6) for n in ("lenet", "lenet-bn")] + [
        (n, str(4 * turn)) for turn in range(1, 6) for n in ("vgg-relu", "vgg-relu-bn")
    ]
    assert calls.count("train --resume") == 16
