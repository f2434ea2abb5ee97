"""From a taught board to a trained bundle and back: what a deploy replaces, and what a rollback brings back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.export.deploy.conftest import Deployer
from tests.export.training.conftest import draw_pictures
from tests.stand_in_boards import StandIn, stand_in

from mixer_edge.bundle import Bundle
from mixer_edge.manifest import Manifest
from mixer_edge_export.cli import main
from mixer_edge_export.training.record import TrainingRecord


def answers(board: StandIn, *pictures: Path) -> list[str]:
    """Return the nearest class of each picture in the release that the board runs."""
    words = " ".join(map(str, pictures))
    lines = board.run(f"~/.local/bin/mixer-edge classify {board.base}/current/bundle {words} --json --top-k 1")
    return [found["categories"][0]["label"] for found in map(json.loads, lines.splitlines())]


def test_home_trained_deployed_and_back(
    deployer: Deployer, tiny_features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trained bundle has the taught classes as its own and does not look at what is taught; rollback does again."""
    board = stand_in("taught")
    deployer(board, bundle=Bundle.open(tiny_features))
    extractor = board.current
    pictures = draw_pictures(tmp_path / "drawn", 6)
    for colour, label in (("blue", "sea/sky"), ("red", "fire")):
        board.run(f"~/.local/bin/mixer-edge teach {board.base}/current/bundle '{label}' {pictures / colour}")
    new = draw_pictures(tmp_path / "new", 1, seed=5)
    blue, red, green = (new / colour / "00.png" for colour in ("blue", "red", "green"))
    assert answers(board, blue, red) == ["sea/sky", "fire"]

    photos, mine = tmp_path / "photos", tmp_path / "mine"
    assert main(["collect", board.host, "--out", str(photos)]) == 0
    model = str(tiny_features.parent / "tiny.npz")
    command = ["train", str(photos), "--model", model, "--out", str(mine), "--variants", "int8"]
    assert main([*command, "--refused", "0"]) == 0
    capsys.readouterr()
    trained = Bundle.open(mine)
    training = trained.manifest.training
    assert training is not None
    assert trained.labels == ("fire", "sea/sky")
    assert training.extractor_fingerprint == Manifest.read(tiny_features).source.fingerprint
    assert {label: training.pictures[label] + training.held_out[label] for label in trained.labels} == {
        "fire": 6,
        "sea/sky": 6,
    }
    record = TrainingRecord.read(trained)
    assert record is not None
    assert {name.split("/")[0] for name in record.trained} == {"fire", "sea%2Fsky"}

    deployer(board, bundle=trained)
    assert board.previous == extractor
    assert answers(board, blue, red) == ["sea/sky", "fire"]
    (state,) = board.home.glob(".local/share/mixer-edge-taught/*/taught.sqlite")
    taught = state.read_bytes()
    state.write_bytes(b"damaged" * 1000)
    assert answers(board, blue, red) == ["sea/sky", "fire"]
    state.write_bytes(taught)
    board.run(f"~/.local/bin/mixer-edge teach {board.base}/previous/bundle grass {pictures / 'green'}")
    assert answers(board, green) != ["grass"]
    assert main(["rollback", board.host]) == 0
    assert board.current == extractor
    assert answers(board, blue, red, green) == ["sea/sky", "fire", "grass"]
