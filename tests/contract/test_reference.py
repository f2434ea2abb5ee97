"""The API reference: its command writes it, and every reference in a docstring exists."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from docs.reference import ROOT, SOURCES, dead_references, load, module_names

PLANTED = '''"""See ``planted.metrics`` and ``planted.gone``, docs/gone.md and docs/report.md."""

LIMIT = 3


class Score:
    """Better than ``other``; ``share`` is in it, ``LIMIT`` above it, ``OLD_LIMIT`` nowhere."""

    share: float
    """From ``planted.metrics.top_k(``, see ``top_k``; ``metrics.gone`` has left, ``manifest.json`` is a file."""

    def worse(self, max_drop):
        """Return whether ``max_drop`` is kept, as ``planted.metrics.top_k()`` counts; no ``min_drop`` is."""
'''


def test_every_reference_in_a_docstring_leads_somewhere() -> None:
    """Names of modules, classes and functions, and files of the repository."""
    assert dead_references(load(module_names(SOURCES))) == []


def test_dead_references_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module, a function, a constant, a parameter and a file that are not there; what is there passes."""
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted" / "__init__.py").write_text(PLANTED)
    (tmp_path / "planted" / "metrics.py").write_text('def top_k():\n    """Return ``nothing``, see ``LIMIT``."""\n')
    monkeypatch.syspath_prepend(tmp_path)
    names = module_names([tmp_path])
    assert names == ["planted", "planted.metrics"]
    assert dead_references(load(names)) == [
        "planted: ``planted.gone`` is not there; write the whole path",
        "planted.Score: ``OLD_LIMIT`` is not there; write the whole path",
        "planted.Score.share: ``top_k`` is not there; write the whole path",
        "planted.Score.share: ``metrics.gone`` is not there; write the whole path",
        "planted.Score.worse: ``min_drop`` is not there; write the whole path",
        "planted: docs/gone.md is not there",
        "planted.metrics.top_k: ``LIMIT`` is not there; write the whole path",
    ]


def test_the_command_writes_a_page_for_each_module(tmp_path: Path) -> None:
    """Every module has its page, the index names it, and a name in backticks is a link to where it is."""
    command = [sys.executable, "-m", "docs.reference", "--out", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{tmp_path / 'index.html'}\n", "")
    index = (tmp_path / "index.html").read_text("utf-8")
    for name in module_names(SOURCES):
        assert f'href="{name.replace(".", "/")}.html"' in index
        assert (tmp_path / f"{name.replace('.', '/')}.html").is_file()
    page = (tmp_path / "mixer_edge_export" / "acceptance" / "tolerances.html").read_text("utf-8")
    assert '<a href="../../mixer_edge/metrics.html#relative_error">mixer_edge.metrics.relative_error</a>' in page
