"""Broken and hostile results: every script refuses them in one line, or makes of them what they say. Never a traceback."""

import copy
import json
import os
import random
import shutil
import subprocess
import sys

import pytest

import check_results
import compare
import planted
import plots
import results
import summary
from paths import FIXTURE, script_file
from tensorfile import BATCHMARK

try:
    import report
except ImportError:  # jinja2, which only the report needs
    report = None

# What stands in place of a value: every other type, and what is no figure or no text of ours.
VALUES = [None, True, 7, -1, 0, 1e29, 1e-300, float("inf"), float("nan"), 10**400]
VALUES += ["", "a/b", "line\nline", "\ud800", "x" * 5000, [], {}]
# Of the mutants that are read, so many go through the scripts.
THROUGH = 10


def small():
    """The fixture with one repetition of some rows: every operation, quick to read."""
    document = json.loads((FIXTURE / "bench.json").read_text())
    document["benchmarks"] = document["benchmarks"][::9]
    return document


def places(value, path=()):
    """The path of every value in a document; of rows, those of the first and one more."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if path == ("benchmarks",) and key not in (0, 7):
            continue
        yield (*path, key)
        if isinstance(item, (dict, list)):
            yield from places(item, (*path, key))


def mutants(document):
    """(path, document) with one value replaced by each of VALUES or gone."""
    for path in places(document):
        for value in [*VALUES, "gone"]:
            changed = copy.deepcopy(document)
            inner = changed
            for key in path[:-1]:
                inner = inner[key]
            if value == "gone":
                del inner[path[-1]]
            else:
                inner[path[-1]] = value
            yield path, changed


def through(folder, capsys):
    """Runs every script on a folder in this process; each ends with a status, and one line where it refuses."""
    everything = [(summary, []), (check_results, []), (compare, [folder]), (compare, [folder, "--across"])]
    everything += [(plots, ["--out", folder / "pictures"])]
    everything += [(report, ["--out", folder / "page.html"])] if report else []
    for script, more in everything:
        status = script.main([str(word) for word in (folder, *more)])
        said = capsys.readouterr()
        assert status in (0, 1) or (status == 2 and said.err.count("\n") == 1), (script.__name__, said.err)
        said.out.encode()


@pytest.fixture(name="drawn")
def unsaved_pictures(monkeypatch):
    """Pictures are made and not saved, which takes the most time."""
    for module in (plots, sys.modules["plots_rows"], sys.modules["plots_training"]):
        monkeypatch.setattr(module, "save", lambda figure, folder, name: plots.pyplot.close(figure) or folder / f"{name}.png")


def test_a_value_of_another_kind_is_refused_or_read(tmp_path, capsys, drawn):
    read = []
    for path, document in mutants(small()):
        (tmp_path / "bench.json").write_text(json.dumps(document))
        try:
            results.load(tmp_path)
            read.append((path, document))
        except results.ResultsError as refusal:
            said = str(refusal)
            assert said.isprintable() and str(tmp_path / "bench.json") in said and "; " in said
            # The row, and the field or what holds it.
            assert ("row " in said) == (len(path) > 1 and path[0] == "benchmarks"), said
            assert any(isinstance(key, str) and key in said for key in path[-2:]) or len(path) == 2, (path, said)
    # Most change what is said and not what can be read: another name, another figure.
    for path, document in random.Random(1).sample(read, THROUGH):
        (tmp_path / "bench.json").write_text(json.dumps(document))
        through(tmp_path, capsys)


EVENTS = ["step", "epoch", "summary"]


def test_a_training_log_of_another_kind_is_refused_or_read(tmp_path, capsys, drawn):
    shutil.copy(FIXTURE / "bench.json", tmp_path)
    lines = [json.loads(line) for line in (FIXTURE / "train-lenet-bn.jsonl").read_text().splitlines()]
    first = {kind: next(i for i, line in enumerate(lines) if line["event"] == kind) for kind in EVENTS}
    read = []
    for kind in EVENTS:
        for path, event in mutants(lines[first[kind]]):
            changed = [event if i == first[kind] else line for i, line in enumerate(lines)]
            (tmp_path / "train-lenet.jsonl").write_text("\n".join(map(json.dumps, changed)))
            try:
                results.load_training(tmp_path)
                read.append(changed)
            except results.ResultsError as refusal:
                said = str(refusal)
                assert f"train-lenet.jsonl:{first[kind] + 1}: " in said and path[-1] in said and said.isprintable()
    for changed in random.Random(1).sample(read, 4):
        (tmp_path / "train-lenet.jsonl").write_text("\n".join(map(json.dumps, changed)))
        through(tmp_path, capsys)


WRONG = {
    "nothing": "",
    "cut": (FIXTURE / "bench.json").read_text()[:2000],
    "no text": b"\xff\xfe\x00",
    "nested lists": "[" * 100_000,
    "nested objects": '{"a":' * 100_000,
    "nested in a field": json.dumps(planted.document([])).replace('"seed": 1', '"seed": ' + "[" * 900 + "]" * 900),
    "digits": json.dumps(planted.document([])).replace('"seed": 1', '"seed": ' + "9" * 5000),
    "a list": "[]",
    "a number": "7",
    "rows of no kind": json.dumps(planted.document([])).replace('"benchmarks": []', '"benchmarks": [7]'),
    "rows in an object": json.dumps(planted.document([])).replace('"benchmarks": []', '"benchmarks": {"0": {}}'),
}


@pytest.mark.parametrize("how", WRONG)
def test_what_is_no_result_at_all_is_one_line_of_every_script(how, tmp_path, capsys):
    text = WRONG[how]
    (tmp_path / "bench.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(results.ResultsError, match="bench.json: "):
        results.load(tmp_path)
    through(tmp_path, capsys)


def test_files_beside_the_rows_are_no_trap_either(tmp_path, capsys, drawn):
    """A topology nested without end, a system.json of another kind, a pipe that nobody writes into."""
    shutil.copy(FIXTURE / "bench.json", tmp_path)
    (tmp_path / "topology.xml").write_text("<topology>" + '<object type="Group">' * 5000 + "</object>" * 5000 + "</topology>")
    through(tmp_path, capsys)
    for text in ("{", "[]", "[" * 100_000, '{"machine": 7}'):
        (tmp_path / "system.json").write_text(text)
        through(tmp_path, capsys)
        if report:
            assert report.main([str(tmp_path), "--out", str(tmp_path / "page.html")]) == 2
            assert "system.json" in capsys.readouterr().err
    (tmp_path / "system.json").unlink()
    for name in ("train-lenet.jsonl", "system.json", "bench.json"):
        (tmp_path / name).unlink(missing_ok=True)
        os.mkfifo(tmp_path / name)
        through(tmp_path, capsys)


@pytest.mark.parametrize("script", ["summary.py", "plots.py", "compare.py", "check_results.py", "peers.py", "scaling.py"])
def test_without_jsonschema_one_line_names_the_package(script, tmp_path):
    (tmp_path / "jsonschema.py").write_text("raise ImportError('none here')")
    command = [sys.executable, "-B", script_file(script), FIXTURE, *([FIXTURE] if script == "compare.py" else [])]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == (1 if script == "check_results.py" else 2)
    said = done.stdout if script == "check_results.py" else done.stderr
    assert "python3-jsonschema" in said and said.count("\n") <= 2 and "Traceback" not in done.stderr


def refused(folder, *words):
    """What the program says in the one line it refuses by; it waits for nothing."""
    command = [BATCHMARK, *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize("words", [["verify", "--set"], ["bench", "--list-rows", "--set"], ["bench", "--list-rows", "--file"]])
def test_a_pipe_as_a_set_is_not_waited_for(words, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "pipe: is a named pipe" in refused(tmp_path, *words, "pipe")


def test_a_pipe_as_a_plan_is_not_waited_for(tmp_path):
    words = ["train", "dense 10", "--steps", "1", "--kernels", "auto"]
    (place,) = [word.strip("(:") for word in refused(tmp_path, *words).split() if word.strip("(:").endswith(".json")]
    (tmp_path / place).parent.mkdir(parents=True)
    os.mkfifo(tmp_path / place)
    assert "is a named pipe" in refused(tmp_path, *words)
