"""make experiments: runs that are resumed, diverged ones that count, verdicts that follow from results both ways."""

import fcntl
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import check_results
import claims
import experiments
import verdicts
from paths import script_file
from verdicts import CLAIMS, DEPENDS, FAILS, HOLDS, UNKNOWN, UNSHOWN, Result, Table

# Answers like batchmark train, at once: BN is better, a rate of 1 diverges, with BN in its weights alone. Leaves a mark in a
# file for each call.
FAKE = f"#!{sys.executable}\n" + """
import json, os, sys
words = sys.argv[1:]
if words[0] == "info":
    print(json.dumps({"slug": "fake"}))
    sys.exit()
with open(os.environ["CALLS"], "a") as calls:
    calls.write(" ".join(words) + "\\n")
said = dict(zip(words, words[1:]))
bn, rate = "bn" in words[1], float(said["--lr"])
if os.environ.get("FAIL_AT") == said["--seed"]:
    sys.exit("batchmark: out of luck")
if rate >= 1 and "--keep-going" not in words:
    sys.exit("batchmark: diverged at step 3")
accuracy = 0.1 if rate >= 1 else 0.5 + 0.2 * bn + 0.001 * int(said["--seed"])
loss = None if rate >= 1 and not bn else 1 - accuracy
summary = {"event": "summary", "test_accuracy": accuracy, "test_loss": loss, "train_loss": loss, "steps": 100,
    "train_accuracy": accuracy, "seconds": 1.0, "share_bn": 0.1, "machine": "fake",
    "commit": os.environ.get("COMMIT", "0"), "data": "cifar-10"}
if rate >= 1:
    summary["diverged_step"] = 3
if "GARBLE" in os.environ:
    summary = ["no event"]
with open(said["--json"], "w") as log:
    for step in (30, 60):
        print(json.dumps({"event": "test", "step": step, "test_accuracy": accuracy * (1 if bn else step / 60)}), file=log)
    print(json.dumps(summary), file=log)
"""


@pytest.fixture
def place(folder):
    """The stand-in for the program, and its environment."""
    program = Path(folder) / "fake"
    program.write_text(FAKE)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program, {**os.environ, "CALLS": str(Path(folder) / "calls")}


def run(place, folder, *more, **environment):
    program, base = place
    command = [sys.executable, "-B", script_file("experiments.py"), "--data", "synthetic", "--only", "rates-lenet"]
    command += ["--batchmark", program, "--runs", Path(folder) / "runs", "--out", Path(folder) / "out", *more]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, env={**base, **environment}, timeout=300)


def calls(folder):
    return (Path(folder) / "calls").read_text().splitlines()


def summary(folder):
    return json.loads((Path(folder) / "out" / "summary.json").read_text())


def test_runs_are_not_run_again_and_go_on_where_they_stopped(place, folder):
    planned = claims.plan("quick", ["rates-lenet"])
    done = run(place, folder, FAIL_AT="3")
    assert done.returncode == 2 and "out of luck" in done.stderr
    kept = list((Path(folder) / "runs").glob("*.json"))
    assert 0 < len(kept) < len(planned)
    assert not [p for p in (Path(folder) / "runs").iterdir() if p.suffix != ".json"]
    first = len(calls(folder))
    done = run(place, folder)
    assert done.returncode == 0, done.stderr
    assert len(calls(folder)) - first == len(planned) - len(kept)
    assert f"[{len(planned)}/{len(planned)}]" in done.stdout and "0:00 left" in done.stdout
    run(place, folder)
    assert len(calls(folder)) - first == len(planned) - len(kept), "nothing is run a third time"


def test_two_at_once_do_not_run_the_same(place, folder):
    runs = Path(folder) / "runs"
    runs.mkdir()
    (runs / "left.139.part").write_text("by one that was killed")
    held = os.open(runs, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    done = run(place, folder)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "other experiments are at work" in done.stderr
    assert not (Path(folder) / "calls").exists()
    os.close(held)
    # The first training fails, and so soon ends what follows the lock.
    assert run(place, folder, FAIL_AT=str(claims.plan("quick", ["rates-lenet"])[0].seed)).returncode == 2
    assert not (runs / "left.139.part").exists() and calls(folder)


def test_kernels_are_proven_once(place, folder):
    assert run(place, folder, "--jobs", 1).returncode == 0
    proven = [line for line in calls(folder) if "--verify off" not in line]
    assert len(proven) == 2, "one for each network"


def test_diverged_runs_are_counted_and_judged(place, folder):
    assert run(place, folder).returncode == 0
    claim = summary(folder)["claims"][1]
    # Two arms, three seeds, one rate of 1.
    assert claim["name"] == "rates" and claim["diverged"] == 6 and claim["seeds"] == 3
    assert claim["runs"] == len(claims.plan("quick", ["rates-lenet"]))
    assert claim["verdict"] == UNSHOWN, "both break down at the same rate"
    faster = summary(folder)["claims"][0]
    assert faster["verdict"] == HOLDS and "54 to 30 steps" in faster["sentence"]
    for name in ("01-converges", "02-rates"):
        for suffix in ("png", "svg"):
            assert (Path(folder) / "out" / f"{name}.{suffix}").stat().st_size > 10000
    text = (Path(folder) / "out" / "summary.md").read_text()
    assert "made-up images" in text and "| 2. allows higher learning rates |" in text


def test_summaries_are_checked(place, folder):
    assert run(place, folder).returncode == 0
    out = Path(folder) / "out"

    def findings():
        return [line for lines in check_results.check_run(out).values() for line in lines]

    assert findings() == []
    good = summary(folder)
    edits = {
        "verdict": lambda s: s["claims"][0].update(verdict="perhaps"),
        "edited": lambda s: s["claims"][0].update(sentence="not shown: yes for all"),
        "no 99-none.png": lambda s: s["claims"][0].update(figure="99-none.png"),
        "not as many": lambda s: s["commits"].update({"1": 2}),
        "'machine' is a required property": lambda s: s.pop("machine"),
        "private": lambda s: s["claims"][0].update(text="see /home/somebody"),
    }
    for words, change in edits.items():
        changed = json.loads(json.dumps(good))
        change(changed)
        (out / "summary.json").write_text(json.dumps(changed))
        assert any(words in line for line in findings()), words


def test_two_seeds_are_no_verdict(place, folder):
    done = run(place, folder, "--jobs", 1, FAIL_AT="3")
    assert done.returncode == 2
    assert run(place, folder, "--report").returncode == 0
    assert {claim["verdict"] for claim in summary(folder)["claims"]} == {UNKNOWN}


def test_whatever_fails_ends_it_with_a_line(place, folder):
    done = run(place, folder, GARBLE="1")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.startswith("experiments.py: ") and done.stderr.count("\n") == 1


def test_stored_runs_of_another_commit_are_said(place, folder):
    assert run(place, folder, FAIL_AT="3").returncode == 2
    done = run(place, folder, COMMIT="1")
    assert done.returncode == 0 and "runs are kept over changes of the kernels" in done.stdout
    commits = summary(folder)["commits"]
    assert set(commits) == {"0", "1"} and sum(commits.values()) == len(claims.plan("quick", ["rates-lenet"]))
    assert f"commit 1 ({commits['1']} runs)" in (Path(folder) / "out" / "summary.md").read_text()


def test_missing_data_is_said(folder):
    command = [sys.executable, "-B", script_file("experiments.py"), "--data", folder]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and "make data" in done.stderr and "Traceback" not in done.stderr


def test_plan_covers_every_claim_with_seeds_and_rates():
    for size in ("quick", "full"):
        runs = claims.plan(size)
        keys = {experiments.key_of(r, "data") for r in runs}
        assert len(keys) == len(runs), "every run is another command"
        timed = [r.alone for r in runs]
        assert timed == sorted(timed) and set(timed) == {False, True}, "what is timed comes last"
        for study in claims.studies(size).values():
            assert len({r.seed for r in runs if r.study == study.name}) >= verdicts.SEEDS
        for claim in CLAIMS:
            assert any(r.study in claim.studies for r in runs)


# Planted results. bn(x) gives what BN's arm shows where the plain one shows 0.


def result(arm, seed, accuracy, value=None, rate=0.1, events=None, **more):
    shown = {"test_accuracy": accuracy, "train_accuracy": accuracy, "test_loss": 1.0, "train_loss": 1.0, "steps": 100}
    shown |= {"seconds": 1.0, "share_bn": 0.1, **more}
    return Result(arm, value, rate, seed, {"summary": [shown], **(events or {})})


def tables(**given):
    names = {name for claim in CLAIMS for name in claim.studies}
    return {name: Table(given.get(name.replace("-", "_"), [])) for name in names}


SEEDS = (1, 2, 3)
NOISE = {1: -0.01, 2: 0.0, 3: 0.01}


def pair(make):
    """Results of both arms: make(arm, seed, sign) with sign 1 for BN."""
    return [make(arm, seed, sign) for arm, sign in (("plain", -1), ("bn", 1)) for seed in SEEDS]


def verdict_of(name, **given):
    return next(claim for claim in CLAIMS if claim.name == name).judge(tables(**given)).word


@pytest.mark.parametrize("way, expected", [(1, HOLDS), (-1, FAILS), (0, UNSHOWN)])
def test_converges(way, expected):
    def make(arm, seed, sign):
        step = 50 - 20 * way * sign + seed
        tests = [{"step": 1, "test_accuracy": 0.1}, {"step": step, "test_accuracy": 0.8}]
        return result(arm, seed, 0.8, events={"test": tests})

    assert verdict_of("converges", rates_lenet=pair(make)) == expected


@pytest.mark.parametrize("way, expected", [(1, HOLDS), (-1, FAILS), (0, UNSHOWN)])
def test_rates(way, expected):
    found = [
        result(arm, seed, 0.8 if rate <= limit else 0.1, rate=rate)
        for arm, limit in (("plain", 0.1 if way == 1 else 1), ("bn", 0.1 if way == -1 else 1))
        for rate in (0.01, 0.1, 1)
        for seed in SEEDS
    ]
    assert verdict_of("rates", rates_mlp=found) == expected


@pytest.mark.parametrize("way, expected", [(1, HOLDS), (-1, FAILS), (0, UNSHOWN)])
def test_initialisation(way, expected):
    found = []
    for scale in (0.1, 1, 10):
        found += pair(lambda a, s, sign, v=scale: result(a, s, 0.8 + NOISE[s] - (v != 1) * (0.2 - 0.1 * way * sign), v))
    assert verdict_of("initialisation", scale_mlp=found) == expected


@pytest.mark.parametrize("way, expected", [(1, HOLDS), (-1, FAILS)])
def test_vanishing(way, expected):
    def make(arm, seed, sign):
        first = 10.0 ** (-3 + 2 * way * sign + NOISE[seed])
        layers = [{"layer": f"dense {i}", "gradient_norm": norm} for i, norm in enumerate((first, 1.0, 1.0))]
        return result(arm, seed, 0.5 + 0.1 * way * sign + NOISE[seed], 4, events={"layers": [{"step": 1, "layers": layers}]})

    assert verdict_of("vanishing", depth=pair(make)) == expected


@pytest.mark.parametrize("way, expected", [(1, HOLDS), (-1, FAILS)])
def test_saturation(way, expected):
    def make(arm, seed, sign):
        looks = [
            {"step": i, "layers": [{"layer": "tanh", "mean": i * (0.2 - 0.1 * way * sign + NOISE[seed]), "std": 1,
                                    "saturated": 0.3 - 0.2 * way * sign + NOISE[seed]}]}
            for i in range(3)
        ]
        return result(arm, seed, 0.5, "tanh", events={"layers": looks})

    assert verdict_of("saturation", saturation=pair(make)) == expected


@pytest.mark.parametrize("way, expected", [(1, HOLDS), (-1, FAILS)])
def test_regularises(way, expected):
    found = pair(lambda a, s, sign: result(a, s, 0.5 + 0.1 * way * sign + NOISE[s], train_accuracy=0.99))
    for other in ("dropout", "decay"):
        found += pair(lambda a, s, sign, o=other: result(f"{a} + {o}", s, 0.6 + 0.05 * way * sign + NOISE[s]))
    assert verdict_of("regularises", overfit_lenet=found) == expected


@pytest.mark.parametrize("way, expected", [(1, HOLDS), (-1, FAILS), (0, UNSHOWN)])
def test_small_batches(way, expected):
    found = []
    for batch, lost in ((2, 0.2), (64, 0)):
        found += pair(lambda a, s, sign, b=batch, f=lost: result(a, s, 0.9 - f * (1 + way * sign / 2) + NOISE[s] / 10, b))
    assert verdict_of("batch", batch=found) == expected


@pytest.mark.parametrize("differs, expected", [((0.1, 0.1), HOLDS), ((0, 0), UNSHOWN), ((0.1, 0), DEPENDS)])
def test_discrepancy(differs, expected):
    found = [
        result("bn", s, 0.7, batch, events={"epoch": [{"test_accuracy": 0.7, "test_batch_accuracy": 0.7 + d + NOISE[s] / 10}]})
        for batch, d in zip((4, 64), differs)
        for s in SEEDS
    ]
    assert verdict_of("discrepancy", discrepancy=found) == expected


@pytest.mark.parametrize("way, expected", [(1, HOLDS), (-1, FAILS)])
def test_robust(way, expected):
    def make(arm, seed, sign):
        accuracy = 0.4 + 0.1 * way * sign + NOISE[seed]
        shown = [{"shift": k, "amount": 1, "test_accuracy": accuracy} for k in ("brightness", "contrast")]
        return result(arm, seed, 0.6, events={"shifted": shown})

    found = [r for r in pair(make)]
    for r in found:
        r.arm = {"plain": "plain, 0..1", "bn": "bn before"}[r.arm]
    assert verdict_of("robust", place=found) == expected


@pytest.mark.parametrize(
    "before, after, expected", [(0.7, 0.6, HOLDS), (0.58, 0.6, DEPENDS), (0.4, 0.5, FAILS), (0.55, 0.55, UNSHOWN)]
)
def test_place(before, after, expected):
    levels = {"bn before": before, "bn after": after, "plain, 0..1": 0.55}
    found = [result(arm, s, level + NOISE[s] / 10) for arm, level in levels.items() for s in SEEDS]
    assert verdict_of("place", place=found) == expected


@pytest.mark.parametrize("planned, naive, expected", [(1.05, 2, HOLDS), (1.5, 2, FAILS), (1.3, 3, DEPENDS)])
def test_cost(planned, naive, expected):
    seconds = {"lenet plain": 1.0, "lenet bn as planned": planned, "lenet bn naive": naive}
    found = [result(arm, s, 0.5, 64, seconds=t) for arm, t in seconds.items() for s in SEEDS]
    assert verdict_of("cost", cost=found) == expected


def test_a_time_that_seeds_disagree_about_is_no_verdict():
    """A neighbour that came between the runs of one seed."""
    seconds = {"lenet plain": (1, 1, 1), "lenet bn as planned": (0.8, 1.07, 4), "lenet bn naive": (1, 1.6, 5)}
    found = [result(arm, s, 0.5, 64, seconds=times[s - 1]) for arm, times in seconds.items() for s in SEEDS]
    assert verdict_of("cost", cost=found) == UNSHOWN
    steps = {"plain": 60, "bn": 30}
    trained = [
        result(arm, s, 0.8, events={"test": [{"step": steps[arm] + s, "test_accuracy": 0.8}]}) for arm in steps for s in SEEDS
    ]
    assert verdict_of("converges", rates_lenet=trained) == HOLDS
    assert verdict_of("converges", rates_lenet=trained, cost=found) == DEPENDS, "in steps, and not in seconds"


def test_what_the_rate_cannot_change_is_counted_once_a_seed():
    found = []
    for rate in (0.1, 0.2):
        for arm, first in (("plain", 0.1), ("bn", 0.2)):
            for seed in SEEDS:
                layers = [{"layer": "dense", "gradient_norm": norm} for norm in (first * 10 ** (30 * NOISE[seed]), 1.0, 1.0)]
                found.append(result(arm, seed, 0.5, 4, rate, events={"layers": [{"step": 1, "layers": layers}]}))
    figures = next(c for c in CLAIMS if c.name == "vanishing").judge(tables(depth=found)).figures
    assert len(figures["depth 4"]["decades"]["bn"]) == len(SEEDS)


def look(change, loss, step=0.1, gradient=1.0):
    """Along a step; linear in the distance."""
    scales = [0.25, 0.5, 1.0, 2.0, 4.0]
    return {"scales": scales, "gradient_changes": [change * s for s in scales], "gradient_norm": gradient, "loss": 1.0,
            "losses": [1.0 + loss * s for s in scales], "step_norm": step}


@pytest.mark.parametrize("way, expected", [(1, HOLDS), (-1, FAILS), (0, UNSHOWN)])
def test_landscape(way, expected):
    def make(arm, seed, sign):
        wild = 0.5 - 0.2 * way * sign + NOISE[seed]
        return result(arm, seed, 0.5, events={"direction": [look(wild, -wild)]})

    assert verdict_of("landscape", landscape=pair(make)) == expected


def test_a_shorter_step_is_no_smoother_surface():
    def make(arm, seed, sign):
        length = 0.1 if sign < 0 else 0.05
        return result(arm, seed, 0.5, events={"direction": [look(5 * length + NOISE[seed] / 100, length, length)]})

    verdict = next(c for c in CLAIMS if c.name == "landscape").judge(tables(landscape=pair(make)))
    assert verdict.word == DEPENDS
    own, same = verdict.figures.values()
    assert verdicts.mean(own["turn plain"]) > 1.9 * verdicts.mean(own["turn bn"])
    assert verdicts.mean(same["turn plain"]) == pytest.approx(verdicts.mean(same["turn bn"]), rel=0.01)


def test_what_has_no_figure_counts_against_its_arm():
    lost = float("nan")
    good, bad = [0.8, 0.81, 0.8], [lost] * 3
    assert verdicts.compare(good, bad) == 1 and verdicts.compare(bad, good) == -1
    # Where less is better, and plain is given first, 1 speaks for BN.
    assert verdicts.compare(bad, good, worst=max) == 1 and verdicts.compare(good, bad, worst=max) == -1
    assert verdicts.compare(bad, [None] * 3) == 0
    assert verdicts.compare([0.9, 0.91, 0.9], [0.2, 0.21, lost]) == 1
    assert verdicts.compare([0.9, 0.91, lost], [0.2, 0.21, 0.2]) == 0, "one of three lost all that was won"
    assert verdicts.compare([0.2, 0.21, lost], [0.9, 0.91, 0.9], worst=max) == 0

    def make(arm, seed, sign):
        left = None if sign > 0 else 0.1
        layer = {"layer": "tanh", "mean": left, "std": left, "saturated": 0.5 * (sign < 0)}
        looks = [{"step": i, "layers": [layer]} for i in (1, 2)]
        return result(arm, seed, 0.1, "tanh", events={"layers": looks})

    assert verdict_of("saturation", saturation=pair(make)) == FAILS, "what is no number saturates nothing, and is no gain"


def test_saturation_is_judged_at_every_rate():
    def make(rate):
        share = {"plain": 0.8 if rate == 0.3 else 0.01, "bn": 0.05}
        return pair(lambda arm, seed, sign: result(arm, seed, 0.9, "tanh", rate, {"layers": [
            {"step": i, "layers": [{"layer": "tanh", "mean": i * 0.1, "std": 1, "saturated": share[arm] + NOISE[seed] / 10}]}
            for i in (1, 2)]}))

    found = next(c for c in CLAIMS if c.name == "saturation").judge(tables(saturation=make(0.03) + make(0.3)))
    assert set(found.figures) == {"tanh at rate 0.03", "tanh at rate 0.3"} and found.word == DEPENDS


def test_a_best_rate_at_the_edge_is_said():
    level = {0.1: 0.7, 0.2: 0.8, 0.3: 0.75}
    inside = Table(result("bn", s, accuracy, None, rate) for rate, accuracy in level.items() for s in SEEDS)
    assert inside.edges() == []
    assert Table(r for r in inside.results if r.rate < 0.3).edges() == [("bn", None, 0.2, "largest")]
    assert Table(r for r in inside.results if r.rate > 0.1).edges() == [("bn", None, 0.2, "least")]
    assert Table(r for r in inside.results if r.rate == 0.2).edges() == [], "a single rate was not tuned"


def test_a_rate_that_not_all_seeds_have_come_to_is_left_out():
    some = Table([result("bn", s, 0.7, None, 0.1) for s in SEEDS] + [result("bn", 1, 0.9, None, 0.2)])
    assert some.rates("bn") == [0.1] and {r.rate for r in some.tuned("bn")} == {0.1}


def test_times_are_compared_within_a_round():
    """The second round ran beside a neighbour, which slowed both arms; the third one arm only."""
    seconds = {"lenet plain": (1, 3, 1), "lenet bn as planned": (1.05, 3.15, 4), "lenet bn naive": (2, 6, 2)}
    found = [result(arm, s, 0.5, 64, seconds=times[s - 1]) for arm, times in seconds.items() for s in SEEDS]
    rounds = []
    for r in found:
        for seed in SEEDS:
            rounds.append(Result(r.arm, r.value, r.rate, seed, r.events, r.seed))
    assert verdict_of("cost", cost=rounds) == HOLDS
    assert verdict_of("cost", cost=found) != HOLDS


def test_arms_take_turns_at_being_first():
    runs = [r for r in claims.plan("quick", ["cost-mlp"]) if r.seed == 1]
    assert len(runs) == claims.ROUNDS * 5 and [r.round for r in runs] == sorted(r.round for r in runs)
    first = {next(r for r in runs if r.round == number).arm for number in range(claims.ROUNDS)}
    assert len(first) == claims.ROUNDS


def test_noise_is_no_difference():
    # Twice the standard error, which of three seeds is no proof.
    assert verdicts.compare([0.1076, 0.1191, 0.1068], [0.1016, 0.1046, 0.099]) == 0
    assert verdicts.compare([0.8, 0.81, 0.8], [0.7, 0.71, 0.72]) == 1 and verdicts.compare([0.5] * 3, [0.6] * 3) == -1
    assert verdicts.compare([0.5] * 3, [0.51] * 3, 0.02) == 0
    assert verdicts.compare([0.5, 0.7, 0.9], [0.45, 0.68, 0.88]) == 0
    assert verdicts.compare([0.5], [0.1]) == 0, "one seed says nothing"
