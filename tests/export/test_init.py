"""The package's public names, and what importing it costs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import mixer_edge
import mixer_edge_export
from mixer_edge_export.comparison.run import compare
from mixer_edge_export.pipeline import export
from mixer_edge_export.quantize.variants import VARIANTS

PROGRAM = """
import json, sys
import mixer_edge_export
before = [name for name in ("tensorflow", "jinja2", "scipy") if name in sys.modules]
import mixer_edge_export.comparison
from mixer_edge_export import *
print(json.dumps({"before": before, "names": [export.__name__, compare.__name__, list(VARIANTS)[0], __version__]}))
"""


def test_the_public_names() -> None:
    """They are those of ``__all__``, each the object of the module that defines it; others are errors."""
    assert mixer_edge_export.__all__ == ["VARIANTS", "__version__", "compare", "export", "train"]
    assert (mixer_edge_export.compare, mixer_edge_export.export) == (compare, export)
    assert mixer_edge_export.VARIANTS is VARIANTS
    assert dir(mixer_edge_export) == mixer_edge_export.__all__
    with pytest.raises(AttributeError) as raised:
        _ = mixer_edge_export.deploy_everything
    assert str(raised.value) == "module 'mixer_edge_export' has no attribute 'deploy_everything'"


def test_importing_the_package_imports_nothing_heavy() -> None:
    """A function comes from its own module, even if a package of the same name was imported before."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {
        "before": [],
        "names": ["export", "compare", "float32", mixer_edge.__version__],
    }
