"""Run an action on several boards in parallel; each gives one outcome or one error."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from mixer_edge.errors import MixerEdgeError
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.ssh import DeployError, check_host, connect

log = logging.getLogger(__name__)

T = TypeVar("T")
MAX_PARALLEL = 8


class UnexpectedError(DeployError):
    """An unexpected exception on one board, which is its ``__cause__``; the other boards have their results."""


def for_each(
    hosts: Sequence[str],
    action: Callable[[Board], T],
    *,
    config: Path | None,
    identity: Path | None,
) -> list[T | MixerEdgeError]:
    """Return the result of ``action`` for each host, or the error that stopped it; steps are logged.

    An unexpected exception only ends the action on its own board. Its traceback is logged when all boards are done.

    Raises:
        DeployError: a host name or a file for ssh is not valid; no board was contacted.
    """
    for host in hosts:
        check_host(host)
    if len(set(hosts)) != len(hosts):
        raise DeployError(f"a host is named twice: {', '.join(hosts)}")
    for flag, path in (("--ssh-config", config), ("--identity", identity)):
        if path is not None and not path.is_file():
            raise DeployError(f"{flag} {path}: no such file")

    def one(host: str) -> T | MixerEdgeError:
        def report(step: str, text: str) -> None:
            if text:
                log.info("[%s] %-8s %s", host, step, text)

        try:
            with connect(host, config=config, identity=identity) as connection:
                return action(Board(connection, report))
        except MixerEdgeError as error:
            log.error("[%s] error: %s", host, str(error).removeprefix(f"{host}: "))
            return error
        except Exception as error:  # the other boards must not be affected
            unexpected = UnexpectedError(f"{host}: {type(error).__name__}: {error}; this is a bug, please report it")
            unexpected.__cause__ = error
            return unexpected

    with ThreadPoolExecutor(min(MAX_PARALLEL, len(hosts))) as pool:
        results = list(pool.map(one, hosts))
    for host, result in zip(hosts, results, strict=True):
        if isinstance(result, UnexpectedError):
            reason = str(result).removeprefix(f"{host}: ")
            log.error("[%s] error: %s", host, reason, exc_info=result.__cause__)
    return results
