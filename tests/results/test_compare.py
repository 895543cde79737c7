"""make compare on planted runs: every verdict, what is refused, what is only labelled."""

import contextlib
import csv
import io
import json
import lzma
import random
import subprocess
import sys

import numpy
import pytest
from scipy import stats

import compare as command
import comparison
import planted
import results
from paths import script_file

def name_of(i, threads=2):
    """The name of the planted row i."""
    return f"conv_fwd/direct_avx512_omp/mb{i + 1}ic60ih32oc60kh3ph1/nchw/warm/t{threads}"


def plant(folder, seed=1, rows=40, repetitions=9, noise=0.004, factors=None, threads=2, **context):
    """A run whose row i takes (i + 1) ms times its factor, with normal noise; written, its folder returned."""
    chance = random.Random(seed)
    entries = []
    for i in range(rows):
        times = [(i + 1) * (factors or {}).get(i, 1.0) * chance.gauss(1, noise) for _ in range(repetitions)]
        for time in times:
            entries.append({"name": name_of(i, threads), "real_time": time, "time_unit": "ms", "label": "pass"})
            entries[-1].update(rung=60, median_time=1e6 * float(numpy.median(times)))
    return planted.write(folder, entries, **context)


def compare(*arguments):
    """What the command does, without the seconds it takes to load scipy each time."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = command.main([str(a) for a in arguments])
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def verdicts(a, b):
    """{row: verdict} of two folders or lists of folders."""
    rows = comparison.compare_rows(comparison.load_side(a), comparison.load_side(b))
    return {row.name: row.verdict for row in rows}


def test_a_second_run_shows_no_difference(tmp_path):
    a, b = plant(tmp_path / "a"), plant(tmp_path / "b", seed=2)
    assert set(verdicts(a, b).values()) == {"no difference"}
    done = compare(a, b)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "40 rows: 0 slower, 0 faster, 40 no difference, 0 cannot tell" in done.stdout


@pytest.mark.parametrize("repetitions", [3, 5, 9, 20])
def test_one_slower_row_among_many_is_found(tmp_path, repetitions):
    a = plant(tmp_path / "a", repetitions=repetitions, noise=0.002)
    b = plant(tmp_path / "b", seed=2, repetitions=repetitions, noise=0.002, factors={7: 1.10, 9: 0.9})
    found = verdicts(a, b)
    assert {n: v for n, v in found.items() if v != "no difference"} == {name_of(7): "slower", name_of(9): "faster"}
    done = compare(a, b)
    assert done.returncode == 1
    assert "40 rows: 1 slower, 1 faster, 38 no difference" in done.stdout
    assert compare(b, a).returncode == 1


def test_the_exit_status_is_the_programs(tmp_path):
    a, b = plant(tmp_path / "a"), plant(tmp_path / "b", seed=2, factors={3: 1.2})
    program = [sys.executable, "-B", script_file("compare.py")]
    for sides, status in (((a, b), 1), ((a, a), 0), ((a,), 2)):
        assert subprocess.run([*program, *sides], capture_output=True, timeout=120, check=False).returncode == status


def test_what_got_faster_is_no_failure(tmp_path):
    a, b = plant(tmp_path / "a"), plant(tmp_path / "b", seed=2, factors={3: 0.8})
    assert compare(a, b).returncode == 0
    assert verdicts(a, b)[name_of(3)] == "faster"


def test_less_than_two_percent_is_no_difference_however_significant(tmp_path):
    a = plant(tmp_path / "a", rows=5, repetitions=20, noise=0.0005)
    b = plant(tmp_path / "b", rows=5, repetitions=20, noise=0.0005, seed=2, factors={2: 1.015})
    rows = comparison.compare_rows(comparison.load_side(a), comparison.load_side(b))
    assert rows[2].p_corrected < 0.001
    assert rows[2].verdict == "no difference"


def test_noise_is_not_judged(tmp_path):
    a = plant(tmp_path / "a", noise=0.15)
    b = plant(tmp_path / "b", seed=2, noise=0.15)
    found = list(verdicts(a, b).values())
    assert found.count("cannot tell") >= 38
    done = compare(a, b)
    assert done.returncode == 0 and "cannot be judged" in done.stdout


def test_noise_alone_rarely_passes_for_a_difference(tmp_path):
    """Twenty pairs of equal runs with noise of the size of the effect: at most a row in a thousand is called different."""
    wrong = 0
    for seed in range(20):
        a = plant(tmp_path / f"a{seed}", seed=2 * seed, noise=0.03)
        b = plant(tmp_path / f"b{seed}", seed=2 * seed + 1, noise=0.03)
        wrong += sum(v in ("slower", "faster") for v in verdicts(a, b).values())
    assert wrong <= 1


def test_processes_are_the_unit_where_there_are_enough(tmp_path):
    """Repetitions of one process agree to 0.1 %, processes differ by 2 %: pooled repetitions would see differences."""
    chance = random.Random(5)
    sides = {}
    for side in "ab":
        sides[side] = []
        for run in range(5):
            luck = {i: chance.gauss(1, 0.02) for i in range(40)}
            sides[side].append(plant(tmp_path / f"{side}{run}", seed=len(sides) * 10 + run, noise=0.001, factors=luck))
    assert not {"slower", "faster"} & set(verdicts(sides["a"], sides["b"]).values())
    pooled = compare(",".join(map(str, sides["a"])), ",".join(map(str, sides["b"])))
    assert pooled.returncode == 0 and "5 runs" in pooled.stdout


def test_edited_times_are_judged_and_called_out(tmp_path):
    a = plant(tmp_path / "a")
    document = json.loads((a / "bench.json").read_text())
    for entry in document["benchmarks"]:
        if entry["name"] == name_of(4):
            entry["real_time"] *= 1.5
    (tmp_path / "edited").mkdir()
    (tmp_path / "edited" / "bench.json").write_text(json.dumps(document))
    done = compare(a, tmp_path / "edited")
    assert done.returncode == 1
    assert "1 slower, 0 faster, 39 no difference" in done.stdout
    assert f"not those of their repetitions: 1 ({name_of(4)}); edited by hand?" in done.stdout


@pytest.mark.parametrize(
    "other",
    [{"isa_cap": "avx2"}, {"threads": 1}, {"kernel_flags": "-O1"}, {"compiler": "clang 14"}, {"openmp_runtime": "libomp"}],
)
def test_another_experiment_is_refused_unless_asked_for(tmp_path, other):
    a, b = plant(tmp_path / "a"), plant(tmp_path / "b", seed=2, **other)
    done = compare(a, b)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and next(iter(other)) in done.stderr and "ACROSS=1" in done.stderr
    across = compare(a, b, "--across")
    assert across.returncode == 0 and "Geometric means" in across.stdout and "not comparable row by row" in across.stdout
    if "threads" not in other:
        assert compare(a, b, "--anyway").returncode == 0


def test_machines_are_compared_by_their_best_variants(tmp_path):
    a = plant(tmp_path / "a")
    other = {**planted.MACHINE, "cpu": "Another CPU"}
    b = plant(tmp_path / "b", seed=2, factors={i: 2.0 for i in range(40)}, machine=other, host_name="1" * 16)
    c = plant(tmp_path / "c", seed=3, factors={i: 0.5 for i in range(40)}, machine=other, host_name="2" * 16)
    sides = [comparison.load_side(x) for x in (a, b, c)]
    matches = comparison.compare_best(sides)
    assert len(matches) == 40
    (mean,) = comparison.means(matches)
    assert mean.ratios == pytest.approx([1, 2, 0.5], rel=0.01) and mean.problems == 40
    done = compare(a, b, c, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "Another CPU" in done.stdout and " p" not in done.stdout.splitlines()[8]
    page = (tmp_path / "out" / "compare.md").read_text()
    assert "| conv_fwd | 40 rows | 1.000 |" in page
    with open(tmp_path / "out" / "compare.csv", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 40 and float(lines[0]["b_ratio"]) == pytest.approx(2, rel=0.02)
    assert compare(a, b, "--anyway").returncode == 2


def test_sides_of_one_series_are_told_apart_by_what_their_names_do_not_share(tmp_path):
    names = [f"2026-01-02-030405_levels-{level}" for level in ("base", "avx2")]
    a = plant(tmp_path / names[0])
    b = plant(tmp_path / names[1], seed=2, factors={i: 0.5 for i in range(40)}, isa="avx2")
    assert [side.label for side in comparison.load_sides([str(a), str(b)])] == ["base", "avx2"]
    assert [side.label for side in comparison.load_sides([str(a), str(a)])] == [names[0]] * 2
    c = plant(tmp_path / "2026-01-02-040000_0123456789")
    assert [side.label for side in comparison.load_sides([str(a), str(c)])] == [a.name, c.name]
    said = compare(a, b, "--across").stdout
    (line,) = [line for line in said.splitlines() if line.startswith("avx2: ")]
    # Of the one operation.
    speed = float(line.split()[1])
    assert speed == pytest.approx(2, rel=0.02)
    assert line.endswith("times as fast as base over one operation, by geometric means.")


def test_the_best_variant_is_ours_verified_and_float32(tmp_path):
    def row(variant, time, rung=60, label="pass"):
        name = f"conv_fwd/{variant}/mb1ic60ih32oc60kh3ph1/nchw/warm/t2"
        return {"name": name, "real_time": time, "time_unit": "us", "rung": rung, "label": label}

    rows = [row("naive", 100, 10), row("direct_avx512_omp", 10), row("onednn_direct", 1, 90), row("wrong", 2, 60, "fail")]
    for folder, entries in (("a", rows), ("b", [*rows, row("direct_avx512bf16_omp", 5)])):
        planted.write(tmp_path / folder, entries)
    matches = comparison.compare_best([comparison.load_side(tmp_path / f) for f in "ab"])
    assert [(m.op, m.best[1].variant, m.ratios[1]) for m in matches] == [
        ("conv_fwd", "direct_avx512_omp", 1.0),
        ("conv_fwd or bf16", "direct_avx512bf16_omp", pytest.approx(0.5)),
    ]


def test_other_transpositions_are_other_problems(tmp_path):
    rows = [{"name": f"gemm/packed_avx2/64x784:784x256/{f}/warm/t2", "real_time": t} for f, t in (("nn", 9), ("tn", 3))]
    for folder in "ab":
        planted.write(tmp_path / folder, [{**row, "time_unit": "us"} for row in rows])
    matches = comparison.compare_best([comparison.load_side(tmp_path / f) for f in "ab"])
    assert [m.problem for m in matches] == ["64x784:784x256 nn", "64x784:784x256 tn"]


def test_the_correction_is_benjamini_and_hochberg_s():
    """The example of their paper of 1995: of fifteen p-values the four smallest pass at 0.05."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344]
    p += [0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    corrected = comparison.benjamini_hochberg(p)
    assert (corrected <= 0.05).sum() == 4
    assert corrected[:4] == pytest.approx([0.0015, 0.003, 0.0095, 0.035625])
    shuffled = comparison.benjamini_hochberg(p[::-1])
    assert shuffled == pytest.approx(corrected[::-1])


def test_the_test_is_mann_and_whitney_s_where_it_can_pass():
    a, b = [1.0 + 0.01 * i for i in range(9)], [1.055 + 0.01 * i for i in range(9)]
    assert comparison.p_value(a, b, 40) == pytest.approx(stats.mannwhitneyu(a, b).pvalue)
    # Five against five cannot pass a correction for forty rows, so Welch's test decides.
    assert comparison.p_value(a[:5], b[:5], 40) == pytest.approx(
        stats.ttest_ind(numpy.log(a[:5]), numpy.log(b[:5]), equal_var=False).pvalue
    )


def test_packed_results_are_read(tmp_path):
    a, b = plant(tmp_path / "a"), plant(tmp_path / "b", seed=2)
    (b / "bench.json.xz").write_bytes(lzma.compress((b / "bench.json").read_bytes()))
    (b / "bench.json").unlink()
    assert compare(a, b / "bench.json").returncode == 0
    (b / "bench.json.xz").write_bytes(b"\xfd7zXZ\0 cut off")
    assert compare(a, b).returncode == 2


def damage_document(document, how):
    """One way in which a file can be wrong."""
    if how == "another schema":
        document["context"]["schema_version"] = results.SCHEMA_VERSION + 1
    elif how == "no rows":
        document["benchmarks"] = []
    elif how == "a time below zero":
        document["benchmarks"][3]["real_time"] = -1
    elif how == "not a number":
        document["benchmarks"][3]["real_time"] = "fast"
    elif how == "no unit":
        del document["benchmarks"][3]["time_unit"]
    else:
        document = {"something": "else"}
    return document


@pytest.mark.parametrize(
    "how", ["another schema", "no rows", "a time below zero", "not a number", "no unit", "something else", "cut off"]
)
def test_damaged_files_are_one_line_and_status_2(tmp_path, how):
    a, b = plant(tmp_path / "a"), plant(tmp_path / "b")
    text = (b / "bench.json").read_text()
    damaged = text[: len(text) // 2] if how == "cut off" else json.dumps(damage_document(json.loads(text), how))
    (b / "bench.json").write_text(damaged)
    done = compare(a, b)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "bench.json" in done.stderr


def test_rows_of_one_side_alone_are_told(tmp_path):
    a, b = plant(tmp_path / "a"), plant(tmp_path / "b", seed=2, rows=37)
    done = compare(a, b)
    assert done.returncode == 0 and "37 rows: 0 slower" in done.stdout
    assert f"warning: 3 rows only A has, and nobody compares ({name_of(37)})" in done.stdout
    assert "only B has" in compare(b, a).stdout and "only B has" not in done.stdout


def test_nothing_to_compare_is_status_2(tmp_path):
    a = plant(tmp_path / "a")
    for arguments in ([a], [a, tmp_path / "none"], [a, ","]):
        done = compare(*arguments)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    document = json.loads((a / "bench.json").read_text().replace("conv_fwd/", "gemm/"))
    (tmp_path / "gemm").mkdir()
    (tmp_path / "gemm" / "bench.json").write_text(json.dumps(document))
    assert "no row in common" in compare(a, tmp_path / "gemm").stderr


def test_runs_of_one_side_share_their_settings(tmp_path):
    a, b = plant(tmp_path / "a"), plant(tmp_path / "b", isa_cap="avx2")
    with pytest.raises(results.ResultsError, match="isa_cap"):
        comparison.load_side([a, b])
