"""A board with a deployed release: the real scripts and programs, in a folder on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.stand_in_boards import StandIn, copied, stand_in, use_stand_in_packages, use_stand_ins

from mixer_edge.bundle import Bundle
from mixer_edge_export.deploy.actions import Job, Outcome, deploy
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.ssh import DeployError, connect

Said = list[tuple[str, str]]


@dataclass(frozen=True)
class Deployer:
    """Deploys a bundle to stand-in boards."""

    bundle: Path

    def __call__(
        self, board: StandIn, *, at: dict[str, Callable[[], object]] | None = None, **job: Any
    ) -> tuple[Outcome, Said]:
        """Deploy and return the outcome and the messages.

        Args:
            board: where to.
            at: what happens when a step begins, once.
            job: what differs from int8 of the deployer's bundle.
        """
        hooks, said = dict(at or {}), []

        def report(step: str, text: str) -> None:
            said.append((step, text))
            hooks.pop(step, lambda: None)()

        with connect(board.host) as connection:
            return deploy(Board(connection, report), Job(**{"bundle": Bundle.open(self.bundle)} | job)), said

    def refused(self, board: StandIn, **arguments: Any) -> str:
        """Return the message of a deploy that must fail; the board runs the same release, and nothing new remains."""
        before = (board.current, board.previous, board.releases)
        with pytest.raises(DeployError) as caught:
            self(board, **arguments)
        assert (board.current, board.previous, board.releases) == before
        return str(caught.value)


@dataclass(frozen=True)
class First:
    """A first deploy of int8."""

    board: StandIn
    outcome: Outcome
    said: Said


@pytest.fixture(scope="module")
def deployer(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployer]:
    """Deploys the tiny bundle; the packages are downloaded once for all boards of the module."""
    folder = tmp_path_factory.mktemp("net")
    with pytest.MonkeyPatch.context() as patch:
        use_stand_ins(folder, patch)
        use_stand_in_packages(folder / "packages", patch)
        yield Deployer(tiny_bundle)


@pytest.fixture(scope="module")
def first(deployer: Deployer) -> First:
    """A board that runs int8 after its first deploy; shared, so not to be changed."""
    board = stand_in("first")
    return First(board, *deployer(board))


@pytest.fixture
def board(first: First) -> StandIn:
    """A board that runs int8, of the test's own."""
    return copied(first.board, f"board-{len(list(first.board.home.parent.iterdir()))}")
