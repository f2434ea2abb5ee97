"""The architecture page: its picture is what the command draws, and every name on it exists."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
NAMES = sorted(set(re.findall(r"`(mixer_edge(?:_export)?\.[\w.]+)`", PAGE)))


def test_the_picture_is_what_the_command_draws(tmp_path: Path) -> None:
    """Drawn again from the rules and the sources, the committed picture comes out to the byte."""
    drawn = tmp_path / "architecture.svg"
    subprocess.run([sys.executable, str(ROOT / "docs" / "draw_architecture.py"), str(drawn)], check=True)
    assert drawn.read_text("utf-8") == (ROOT / "docs" / "architecture.svg").read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_every_name_on_the_page_exists(name: str) -> None:
    """Each dotted name is a module, or a function, class or method in one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return
    pytest.fail(f"{name}: no such module")


def test_every_room_of_the_export_is_on_the_page() -> None:
    """Every sub-package of the export package is explained on the page."""
    rooms = {path.parent.name for path in (ROOT / "export/src/mixer_edge_export").glob("*/__init__.py")}
    assert {room for room in rooms if f"`{room}`" not in PAGE} == set()
