"""The same evaluation on several boards at once."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mixer_edge.bundle import Bundle
from mixer_edge.dataset import open_dataset
from mixer_edge.errors import MixerEdgeError
from mixer_edge.evaluate import REFERENCE, Evaluation, Task, evaluate
from mixer_edge_export.comparison.on_board import Subject, compare_on_board
from mixer_edge_export.comparison.types import BoardResult
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.fleet import for_each
from mixer_edge_export.deploy.ssh import DeployError

MAX_DIFFERENT = 0.01
"""Share of the answers of a board that may differ from this machine's.

The largest difference measured on a board is 0.008 of the largest output for int8 (``docs/quantization.md``). Of the
815 held-out pictures of ``digits``, 1 has a best class so close to the second: 0.1 %.
"""


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


@contextmanager
def agreement(bundle: Bundle, variant: str, data: Path) -> Iterator[Callable[[Board], None]]:
    """Yield a check that a board, which runs this variant, gives this machine's answers to the pictures in ``data``.

    It raises a ``mixer_edge_export.deploy.ssh.DeployError`` if more than ``MAX_DIFFERENT`` of the answers differ.

    Raises:
        DataError: the pictures cannot be used, or the bundle has no classes.
    """
    names = tuple(dict.fromkeys((REFERENCE, variant)))
    local = evaluate(Task(bundle=bundle.folder, names=names), open_dataset(data, bundle.labels), resume=True)
    count = len(local.records)
    with tempfile.TemporaryDirectory(prefix="mixer-edge-pictures-") as temporary:
        subject = Subject.staged(bundle, local, Path(temporary))

        def check(board: Board) -> None:
            found = compare_on_board(board, subject)
            there = found.variants[-1]
            different = there.changed + count - found.pictures
            some = f", the first: {there.changed_files[0]}" if there.changed else ""
            text = f"{different} of {count} answers differ from this machine's{some}"
            if different > MAX_DIFFERENT * count:
                raise DeployError(f"{board.host}: {text}; at most {MAX_DIFFERENT:.0%} may")
            board.report("evaluate", text)

        yield check
