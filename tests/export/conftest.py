"""Boards that are folders of this machine."""

from pathlib import Path

import pytest
from tests.stand_in_boards import use_stand_ins


@pytest.fixture
def boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the boards' homes, which ssh and rsync on the PATH lead to."""
    use_stand_ins(tmp_path / "net", monkeypatch)
    return tmp_path / "net/boards"
