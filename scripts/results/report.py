#!/usr/bin/python3
"""Writes one HTML file about a run or a comparison of runs. It needs no network and no other file.

    scripts/results/report.py [FOLDER] [--out FILE]            a run: FOLDER/report.html; the newest where none is given
    scripts/results/report.py A B [MORE...] [--across|--anyway] --out FILE
                                                       a comparison, as compare.py makes it

It contains the verdict in twelve lines, the machine, the pictures in the folder, every row in a table that can be sorted
and filtered, the warnings, and the command that makes it again. The table is DataTables on jQuery, from Debian's packages,
copied into the file.
"""

import base64
import csv
import io
import json
import os
import re
import shlex
import sys
import tempfile
import xml.etree.ElementTree as xml
from pathlib import Path

import jinja2

import compare
import plot_style
from command import ended
from comparison import compare_best, doubts, load_sides, means
from conclusion import conclude, grouped
from plots_rows import draw_machines
from results import DEEPEST, ResultsError, first_fault, load, parse, read_text

HERE = Path(__file__).resolve().parent
JAVASCRIPT = Path("/usr/share/javascript")
JQUERY = "jquery/jquery.min.js"
TABLES = "jquery-datatables/jquery.dataTables.min.js"
STYLE = "jquery-datatables/css/jquery.dataTables.min.css"
# Pictures of a run in the order they tell its story; others follow by name.
PICTURES = "ladder roofline heatmap scaling bandwidth error machines training split".split()
# Levels of the topology that are drawn; others are looked through.
DRAWN = ("Machine", "Package", "Die", "Group", "NUMANode", "L3Cache", "L2Cache", "L1Cache", "Core", "PU")
BYTES = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))

# Columns of the table of a run: head, unit, digits; a column without digits is text.
ROW_COLUMNS = (
    ("operation", "", None),
    ("variant", "", None),
    ("rung", "", 0),
    ("problem", "", None),
    ("layout", "", None),
    ("cache", "", None),
    ("threads", "", 0),
    ("time", "µs", 4),
    ("spread", "%", 2),
    ("GFLOP/s", "", 3),
    ("GB/s", "", 3),
    ("of peak", "%", 3),
    ("of copy", "%", 3),
    ("over naive", "×", 3),
    ("error / limit", "", 2),
    ("verified", "", None),
)


def library(name):
    """A file of a JavaScript package, with the pictures its style sheet names written into it."""
    path = JAVASCRIPT / name
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}; scripts/setup/setup.sh report installs it") from error

    def inlined(found):
        picture = (path.parent / found[1]).read_bytes()
        return f'url("data:image/png;base64,{base64.b64encode(picture).decode()}")'

    return re.sub(r'url\("?(\.\./[^")]+)"?\)', inlined, text)


def data_uri(path):
    """A picture as an address that holds it."""
    return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"


def pictures(folder):
    """[(name, address)] of the SVG files in a folder."""
    found = {path.stem: path for path in sorted(Path(folder).glob("*.svg"))}
    names = [name for name in PICTURES if name in found] + [name for name in found if name not in PICTURES]
    return [(name, data_uri(found[name])) for name in names]


def size(count):
    """Bytes in the largest unit that leaves a whole part."""
    for unit, factor in BYTES:
        if count >= factor:
            return f"{count / factor:.4g} {unit}"
    return f"{count} B"


def box_of(node):
    """(level, text) of an object of the topology, or None where it is looked through."""
    kind = node.get("type")
    if kind not in DRAWN:
        return None
    if kind.endswith("Cache"):
        return "cache", f"{kind[:2]} {size(int(node.get('cache_size', 0)))}"
    if kind == "NUMANode":
        return "memory", f"memory {size(int(node.get('local_memory', 0)))}"
    index = "" if kind == "Machine" else f" {node.get('os_index', '')}".rstrip()
    return kind.lower(), {"PU": "thread", "Package": "socket"}.get(kind, kind.lower()) + index


def boxes(node):
    """The topology as nested (level, text, children)."""
    children = [box for child in node.findall("object") for box in boxes(child)]
    box = box_of(node)
    return [(*box, children)] if box else children


def depth(found):
    """How deep boxes are nested."""
    return max((1 + depth(inside) for *_, inside in found), default=0)


def topology(folder):
    """The boxes of topology.xml; nothing where there is none or hwloc did not write it."""
    path = Path(folder) / "topology.xml"
    try:
        root = xml.parse(path).getroot() if path.is_file() else xml.Element("topology")
        found = [box for node in root.findall("object") for box in boxes(node)]
        return found if depth(found) <= DEEPEST else []
    except (OSError, xml.ParseError, ValueError, RecursionError):
        return []


def system_of(folder, context):
    """system.json, or of a run older than it the machine as bench.json has it."""
    path = Path(folder) / "system.json"
    if not path.exists():
        return {"machine": context["machine"]}
    try:
        system = parse(read_text(path))
        fault = first_fault(system, "system")
    except ValueError as error:
        fault = str(error)
    if fault:
        raise ResultsError(f"{path}: {fault}; run make bench again")
    return system


def flat(value, below=""):
    """[(name, text)] of nested facts, in their order; the flags and the warnings are told elsewhere."""
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in flat(item, f"{below} {key}".strip().replace("_", " "))]
    if below.endswith(("flags present", "warnings", "schema version")) or value in (None, "", [], {}):
        return []
    if isinstance(value, list):
        value = ", ".join(json.dumps(item) if isinstance(item, dict) else str(item) for item in value)
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if below.endswith(" bytes") and isinstance(value, int):
        return [(below.removesuffix(" bytes"), size(value))]
    return [(below, f"{value:.4g}" if isinstance(value, float) else str(value))]


def row_values(row):
    """One row of the table of a run, in the order of ROW_COLUMNS."""
    spread = row.get("cv")
    return [
        row.op,
        row.variant,
        row.rung,
        row.problem,
        row.layout,
        row.cache,
        row.threads,
        row.seconds * 1e6,
        None if spread is None else 100 * spread,
        *(row.get(counter) for counter in ("gflops", "gbps", "pct_peak", "pct_copy", "speedup_naive", "err_over_limit")),
        row.label,
    ]


def csv_table(text):
    """(columns, rows) of a comparison's CSV; a column whose every value is a number is one."""
    header, *lines = csv.reader(io.StringIO(text))

    def number(cell):
        try:
            return float(cell)
        except ValueError:
            return None

    numeric = [all(not line[i] or number(line[i]) is not None for line in lines) for i in range(len(header))]
    rows = [[number(cell) if numeric[i] else cell for i, cell in enumerate(line)] for line in lines]
    columns = [(name.replace("_", " "), "", 4 if numeric[i] else None) for i, name in enumerate(header)]
    return columns, rows


def script_json(value):
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def run_page(folder=None):
    """What the template needs to tell of one run."""
    run = load(folder)
    context = run.context
    rows = [row_values(row) for row in run.rows]
    warnings = list(context.get("warnings") or []) + list((context.get("machine") or {}).get("warnings") or [])
    warnings += doubts(run.folder / "bench.json", run.rows)
    commit = context.get("commit", "unknown") + (" with changes that no commit holds" if context.get("dirty") else "")
    return run.folder, {
        "title": f"Batchmark on {run.machine}",
        "when": f"{context.get('date', 'no date')}, commit {commit}",
        "summary": "",
        "verdict": conclude(run),
        "warnings": grouped(warnings),
        "machines": [(run.machine, flat(system_of(run.folder, context)), topology(run.folder))],
        "pictures": pictures(run.folder),
        "tables": [],
        "columns": ROW_COLUMNS,
        "rows": rows,
        "commands": [f"git checkout {context.get('commit', '')}".strip(), "make bench", context.get("command", "")],
    }


def cards(sides):
    """The name, facts and drawing of each side; a machine is drawn only once."""
    found, drawn = [], []
    for letter, side in zip(compare.LETTERS, sides):
        boxes = topology(side.folders[0])
        facts = flat(system_of(side.folders[0], side.context))
        found.append((f"{letter}: {side.label}", facts, [] if boxes in drawn else boxes))
        drawn.append(boxes)
    return found


def comparison_page(names, across, anyway):
    """What the template needs to tell of a comparison."""
    sides = load_sides(names)
    plot_style.style()
    with tempfile.TemporaryDirectory() as folder:
        draw_machines(sides, means(compare_best(sides)), Path(folder))
        drawn = pictures(folder)
    page, table, _ = compare.compare(sides, across, anyway)
    columns, rows = csv_table(table)
    prose = [header for title, header, _ in page.parts if title == "line" and header]
    warnings = [line.removeprefix("warning: ") for line in prose if line.startswith("warning: ")]
    said = [line for line in prose if not line.startswith("warning: ")]
    command = "make compare " + " ".join(f"{letter}={shlex.quote(name)}" for letter, name in zip(compare.LETTERS, names[:2]))
    # A list of words for the shell, and a word of it again.
    command += f" MORE={shlex.quote(shlex.join(names[2:]))}" if names[2:] else ""
    return {
        "title": " against ".join(side.label for side in sides),
        "when": "",
        "summary": " ".join(said[len(sides) :]),
        "verdict": None,
        "warnings": grouped(warnings),
        "machines": cards(sides),
        "pictures": drawn,
        "tables": [(title, header, rows) for title, header, rows in page.parts if title != "line"],
        "columns": columns,
        "rows": rows,
        "commands": [command + (" ACROSS=1" if across else "") + (" ANYWAY=1" if anyway else "")],
    }


def write(page, path):
    """The page, whole or not at all."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["script_json"] = script_json
    text = environment.get_template("report.html.j2").render(
        **page, jquery=library(JQUERY), datatables=library(TABLES), table_style=library(STYLE)
    )
    path = path.resolve()  # a link stays
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as part:
        part.write(text)
    os.chmod(part.name, 0o644)
    os.replace(part.name, path)


def main(argv=None):
    """Writes the page and prints where it is; returns the exit status."""
    wanted = compare.parser_of(__doc__).parse_args(argv)
    return ended("report.py", lambda: carry_out(wanted))


def carry_out(wanted):
    """Writes the page the command line names."""
    if len(wanted.sides) > 1:
        page = comparison_page(wanted.sides, wanted.across, wanted.anyway)
        path = wanted.out or Path("build/comparison.html")
    else:
        folder, page = run_page(*wanted.sides)
        path = wanted.out or folder / "report.html"
    write(page, path)
    print(f"report: {path}")


if __name__ == "__main__":
    sys.exit(main())
