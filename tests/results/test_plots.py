"""The pictures of many rows and of training, on planted runs: what is drawn, what is left out with its reason."""

import json
import subprocess
import sys

import pytest

import comparison
import planted
import plot_style
import plots
import plots_rows
import results
from paths import ROOT, script_file

VARIANTS = {"naive": (10, 1, 90), "direct_avx2": (40, 1, 9), "direct_avx512": (40, 1, 6), "direct_avx512_omp": (60, 2, 3)}
PROBLEMS = ("mb80ic60ih32oc60kh3ph1", "mb80ic60ih16oc60kh3ph1")


def entry(variant, problem, threads, rung, milliseconds):
    """One repetition."""
    name = f"conv_fwd/{variant}/{problem}/nchw/warm/t{threads}"
    counters = {"gflops": 300 / milliseconds, "gbps": 20 / milliseconds, "err_over_limit": 0.01 * milliseconds, "rung": rung}
    return {"name": name, "real_time": milliseconds, "time_unit": "ms", "label": "pass", **counters}


@pytest.fixture(name="folder")
def planted_run(tmp_path):
    """Four variants on two problems, one of them on one thread and two; a network trained for three epochs."""
    entries = [
        entry(variant, problem, threads, rung, time * (i + 1))
        for variant, (rung, threads, time) in VARIANTS.items()
        for i, problem in enumerate(PROBLEMS)
    ]
    entries.append(entry("direct_avx512_omp", PROBLEMS[0], 1, 60, 5.7))
    planted.write(tmp_path, entries)
    epochs = [{"event": "epoch", "epoch": n, "test_accuracy": 0.2 * n, "seconds": 2.0} for n in (1, 2, 3)]
    summary = {"event": "summary", "preset": "lenet-bn", "loss": "cross-entropy", "images_per_second": 1e4}
    summary.update(share_conv=0.5, share_bn=0.1, share_dense=0.2, share_input=0.1)
    (tmp_path / "train-lenet-bn.jsonl").write_text("\n".join(map(json.dumps, [*epochs, summary])))
    return tmp_path


def test_every_picture_has_both_formats(folder):
    drawn, missing = plots.draw(results.load(folder), folder)
    assert {path.stem for path in drawn} == {"ladder", "heatmap", "scaling", "error", "training", "split"}
    assert all(path.with_suffix(".svg").exists() for path in drawn)
    assert [line.split(":")[0] for line in missing] == ["roofline", "bandwidth"]
    assert all("make bench" in line for line in missing)


def test_the_heat_map_puts_the_fastest_first_and_knows_each_cell(folder):
    variants, problems, cells = plots_rows.heatmap_of(results.load(folder).of("conv_fwd"))
    assert variants == ["direct_avx512_omp", "direct_avx512", "direct_avx2", "naive"]
    assert problems == list(PROBLEMS)
    assert cells["naive", PROBLEMS[1]].seconds == pytest.approx(0.18)


def test_scaling_needs_one_row_on_one_thread_and_on_more(folder):
    run = results.load(folder)
    run.rows = [row for row in run.rows if not (row.variant == "direct_avx512_omp" and row.threads == 1)]
    assert plots_rows.draw_scaling(run, folder) is None


def planted_row(op, variant, problem, threads, seconds, **counters):
    """A row as results.py would read it."""
    name = f"{op}/{variant}/{problem}/nchw/warm/t{threads}"
    return results.Row(name, op, variant, problem, "nchw", "warm", threads, seconds, counters=counters)


def svg_of(path):
    """The text of the SVG beside a PNG."""
    return path.with_suffix(".svg").read_text()


def test_sizes_that_are_nearly_one_are_one_point():
    times = {("a", "p"): (10, 10), ("b", "p"): (20, 5), ("a", "q"): (26, 4), ("a", "r"): (9, 12), ("a", "s"): (10, 20)}
    rows = [planted_row("bn_bwd", v, p, 2, us * 1e-6, gbps=gbps) for (v, p), (us, gbps) in times.items()]
    # 100 kB, fastest at 10 GB/s; beside it 104 kB and 108 kB at 4 and 12; 200 kB at 20.
    assert [(round(size), round(gbps, 6)) for size, gbps in plots.curve_of(rows)] == [(104000, 10), (200000, 20)]
    assert plots.curve_of([]) == []


def test_operations_of_few_rungs_share_a_panel(folder):
    plot_style.style()
    run = results.load(folder)
    alone = svg_of(plots.draw_ladder(run, folder))
    assert "<!-- naive -->" in alone and "few rungs" not in alone
    for row in run.rows:
        row.counters["speedup_naive"] = 0.09 / row.seconds
    run.rows += [
        planted_row("gemm", f"step{rung}", "9x9:9x9", 1, 1 / rung, rung=rung, gflops=rung, speedup_naive=rung / 10)
        for rung in (10, 20, 40, 60, 90)
    ]
    shared = svg_of(plots.draw_ladder(run, folder))
    assert "few rungs" in shared and "<!-- step60 -->" in shared
    assert "<!-- naive -->" not in shared and "<!-- convolution, forward -->" in shared


def test_what_stands_beside_a_bar_names_whose_work_it_is():
    rows = [planted_row("gemm", "x", "p", threads, 1.0, rung=rung) for threads, rung in ((1, 40), (2, 60), (2, 90))]
    assert [plots.colour_of(row) for row in rows] == [plot_style.BLUE, plot_style.ORANGE, plot_style.GREY]


def test_scaling_over_several_counts_has_a_curve(folder):
    plot_style.style()
    run = results.load(folder)
    assert "<!-- efficiency (%)" not in svg_of(plots_rows.draw_scaling(run, folder))
    run.rows.append(planted_row("conv_fwd", "direct_avx512_omp", PROBLEMS[0], 4, 0.0019, gflops=1))
    assert "<!-- efficiency (%)" in svg_of(plots_rows.draw_scaling(run, folder))


def plot(*arguments):
    """Runs plots.py as a user would."""
    command = [sys.executable, "-B", script_file("plots.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_two_runs_are_drawn_against_each_other(folder, tmp_path):
    done = plot(folder, folder, "--out", tmp_path / "new" / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(tmp_path / "new" / "out" / "machines.png")]
    assert "<svg" in svg_of(tmp_path / "new" / "out" / "machines.png")


@pytest.mark.parametrize("words", ["compare", "compare A=x", "report A=x", "report B=x", "plots B=x"])
def test_make_wants_two_runs_and_not_one(words):
    done = subprocess.run(["make", *words.split()], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and f"name two runs: make {words.split()[0]} A=FOLDER B=FOLDER" in done.stderr


def test_a_side_that_cannot_be_read_is_one_line(folder, tmp_path):
    done = plot(folder, tmp_path / "none")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "none/bench.json" in done.stderr and "make bench" in done.stderr
    document = json.loads((folder / "bench.json").read_text())
    document["context"]["schema_version"] = 9
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "bench.json").write_text(json.dumps(document))
    for sides in ((folder, tmp_path / "newer"), (tmp_path / "newer",)):
        done = plot(*sides, "--out", tmp_path / "out")
        assert done.returncode == 2 and "schema version 9" in done.stderr and done.stderr.count("\n") == 1


def test_a_family_is_a_name_without_what_compiled_it():
    assert plots_rows.family("direct_avx512_omp") == "direct"
    assert plots_rows.family("naive_simd_avx2") == "naive_simd"


def test_machines_are_drawn_by_the_means_of_their_comparison(folder, tmp_path):
    plot_style.style()
    sides = [comparison.load_side(folder, "one"), comparison.load_side(folder, "other")]
    found = comparison.means(comparison.compare_best(sides))
    svg = plots_rows.draw_machines(sides, found, tmp_path).with_suffix(".svg").read_text()
    assert "<!-- Right of the line other is faster than one -->" in svg
    assert plots_rows.draw_machines(sides, [], tmp_path) is None
    assert plots_rows.title_of("conv_fwd or bf16") == "convolution, forward or bf16"


def test_shares_of_a_step_leave_the_rest(folder):
    svg = (plots.draw_split(results.load(folder), folder)).with_suffix(".svg")
    assert svg.exists()
    assert plots.draw_split(results.Run(folder, {}, [], []), folder) is None
