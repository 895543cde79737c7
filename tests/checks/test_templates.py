"""Templates refuse parameters that they have no code for."""

import shutil
import subprocess

import pytest

from paths import ROOT

# What a file says beside its parameters.
MODES = {
    "pointwise/pointwise": "static const bool BACKWARD = false;",
    "depthwise/depthwise": "static const bool DEPTHWISE_GRADIENT = false;",
}
# A template, parameters it takes, and one of them changed so that a table or a loop would end too soon.
REFUSED = {
    "planes": ("conv/planes_fwd", {"TILE_OUTPUTS": 6, "TILE_VECTORS": 4}, {"TILE_OUTPUTS": 7}),
    "rows": ("conv/rows_fwd", {"TILE_OUTPUTS": 6, "TILE_VECTORS": 4}, {"TILE_VECTORS": 5}),
    "runs": ("conv/runs_fwd", {"TILE_PIXELS": 14, "TILE_VECTORS": 2}, {"TILE_PIXELS": 15}),
    "image": ("conv/runs_fwd", {"TILE_PIXELS": 28, "TILE_VECTORS": 1}, {"TILE_PIXELS": 29}),
    "direct": ("conv/direct_fwd", {"TILE_PIXELS": 6, "TILE_VECTORS": 4}, {"TILE_VECTORS": 5}),
    "direct weights": ("conv/direct_bwd_weights", {"TILE_PIXELS": 6, "TILE_VECTORS": 4}, {"TILE_PIXELS": 9}),
    "few": ("conv/few_bwd_weights", {"TILE_VECTORS": 2, "TILE_PIXELS": 2, "TILE_SUMS": 18}, {"TILE_SUMS": 9}),
    "planes weights": ("conv/planes_bwd_weights", {"TILE_SUMS": 24}, {"TILE_SUMS": 33}),
    "pointwise": ("pointwise/pointwise", {"TILE_PIXELS": 6, "TILE_VECTORS": 4}, {"TILE_PIXELS": 2}),
    "depthwise": ("depthwise/depthwise", {"TILE_VECTORS": 8}, {"TILE_VECTORS": 9}),
    "winograd4": ("winograd/winograd4_fwd", {"W4_ROWS": 6, "W4_VECTORS": 4}, {"W4_ROWS": 7}),
}


def compiled(template, parameters):
    """Status and messages of a compiler that reads a template for the machine's base instructions."""
    source = f'#include <stdbool.h>\n{MODES.get(template, "")}\n#include "algorithms/{template}.tmpl.h"\n'
    defines = [f"-D{name}={value}" for name, value in parameters.items()]
    command = ["gcc", "-std=gnu17", "-fsyntax-only", f"-I{ROOT / 'kernels'}", *defines, "-xc", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stderr


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
@pytest.mark.parametrize("name", REFUSED)
def test_a_parameter_out_of_range_is_refused(name):
    template, good, bad = REFUSED[name]
    status, said = compiled(template, good)
    assert status == 0, said
    status, said = compiled(template, {**good, **bad})
    assert status == 1 and "static assertion failed" in said, said
