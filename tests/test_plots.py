"""The pictures of many rows and of training, on planted runs: what is drawn, what is left out with its reason."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import comparison  # noqa: E402
import plot_style  # noqa: E402
import plots  # noqa: E402
import plots_rows  # noqa: E402
import results  # noqa: E402

VARIANTS = {"naive": (10, 1, 90), "direct_avx2": (40, 1, 9), "direct_avx512": (40, 1, 6), "direct_avx512_omp": (60, 2, 3)}
PROBLEMS = ("mb80ic60ih32oc60kh3ph1", "mb80ic60ih16oc60kh3ph1")


def entry(variant, problem, threads, rung, milliseconds):
    """One repetition."""
    name = f"conv_fwd/{variant}/{problem}/nchw/warm/t{threads}"
    counters = {"gflops": 300 / milliseconds, "gbps": 20 / milliseconds, "err_over_limit": 0.01 * milliseconds, "rung": rung}
    return {"name": name, "real_time": milliseconds, "time_unit": "ms", "label": "pass", **counters}


@pytest.fixture(name="folder")
def planted(tmp_path):
    """Four variants on two problems, one of them on one thread and two; a network trained for three epochs."""
    entries = [
        entry(variant, problem, threads, rung, time * (i + 1))
        for variant, (rung, threads, time) in VARIANTS.items()
        for i, problem in enumerate(PROBLEMS)
    ]
    entries.append(entry("direct_avx512_omp", PROBLEMS[0], 1, 60, 5.7))
    (tmp_path / "bench.json").write_text(json.dumps({"context": {"machine": {"cpu": "Planted"}}, "benchmarks": entries}))
    epochs = [{"event": "epoch", "epoch": n, "test_accuracy": 0.2 * n, "seconds": 2.0} for n in (1, 2, 3)]
    summary = {"event": "summary", "preset": "lenet-bn", "images_per_second": 1e4}
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


def test_a_family_is_a_name_without_what_compiled_it():
    assert plots_rows.family("direct_avx512_omp") == "direct"
    assert plots_rows.family("naive_simd_avx2") == "naive_simd"


def test_machines_are_drawn_by_the_means_of_their_comparison(folder, tmp_path):
    plot_style.style()
    sides = [comparison.load_side(folder, "one"), comparison.load_side(folder, "other")]
    found = comparison.means(comparison.compare_best(sides), sides)
    svg = plots_rows.draw_machines(sides, found, tmp_path).with_suffix(".svg").read_text()
    assert "<!-- Right of the line: faster than one -->" in svg
    assert plots_rows.draw_machines(sides, [], tmp_path) is None


def test_shares_of_a_step_leave_the_rest(folder):
    svg = (plots.draw_split(results.load(folder), folder)).with_suffix(".svg")
    assert svg.exists()
    assert plots.draw_split(results.Run(folder, {}, [], []), folder) is None
