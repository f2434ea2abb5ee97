"""The same evaluation on several boards at once."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mixer_edge.bundle import Bundle
from mixer_edge.errors import MixerEdgeError
from mixer_edge.evaluate import Evaluation
from mixer_edge_export.comparison.on_board import Subject, compare_on_board
from mixer_edge_export.comparison.types import BoardResult
from mixer_edge_export.deploy.fleet import for_each


@dataclass(frozen=True, kw_only=True)
class Boards:
    """Boards to compare with, and how ssh reaches them."""

    hosts: Sequence[str]
    config: Path | None = None
    identity: Path | None = None


def on_boards(bundle: Bundle, local: Evaluation, boards: Boards) -> tuple[BoardResult, ...]:
    """Return every board's results for the pictures of an evaluation; a board that failed has its error.

    Args:
        bundle: the bundle that must be deployed on the boards.
        local: the evaluation on this machine.
        boards: the boards; all run at the same time, on the same pictures.

    Raises:
        DeployError: a host name or a file for ssh is not valid; no board was contacted.
    """
    with tempfile.TemporaryDirectory(prefix="mixer-edge-pictures-") as temporary:
        subject = Subject.staged(bundle, local, Path(temporary))
        results = for_each(
            boards.hosts, lambda board: compare_on_board(board, subject), config=boards.config, identity=boards.identity
        )
    return tuple(
        BoardResult.failed(host, str(result).removeprefix(f"{host}: "))
        if isinstance(result, MixerEdgeError)
        else result
        for host, result in zip(boards.hosts, results, strict=True)
    )
