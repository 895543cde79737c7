"""Runs as batchmark bench writes them, of made-up rows."""

import json

MACHINE = {
    "cpu": "Planted CPU",
    "microarchitecture": "Made up",
    "isa": "avx512",
    "slug": "planted",
    "sockets": 1,
    "cores": 2,
    "hardware_threads": 2,
    "smt": 1,
    "numa_nodes": 1,
    "core_kinds": 1,
    "cache_bytes": {"l1": 49152, "l2": 2097152, "llc": 33554432},
    "memory_bytes": 8589934592,
    "usable_cpus": 2,
    "pinning": [{"thread": i, "cpu": i, "core": i, "socket": 0, "numa": 0, "kind": 0} for i in range(2)],
    "virtualised": False,
    "emulated": False,
    "warnings": [],
}
CONTEXT = {
    "date": "2026-01-01T00:00:00+0000",
    "host_name": "0123456789abcdef",
    "executable": "batchmark",
    "num_cpus": 2,
    "caches": [],
    "machine": MACHINE,
    "isa_cap": "avx512",
    "commit": "0123456789",
    "dirty": False,
    "compiler": "gcc 12",
    "kernel_flags": "-O3",
    "harness_flags": "-O2",
    "isa_flags": "-mavx512f",
    "seed": 1,
    "plan": "quick",
    "command": "batchmark bench",
    "warnings": [],
}
ROW = {"run_type": "iteration", "iterations": 10, "label": "pass"}


def document(entries, **context):
    """A bench.json of rows that need to say no more than what they are about; what the context says otherwise."""
    return {"context": {**CONTEXT, **context}, "benchmarks": [{**ROW, **entry} for entry in entries]}


def write(folder, entries, **context):
    """The same as folder/bench.json; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bench.json").write_text(json.dumps(document(entries, **context)))
    return folder
