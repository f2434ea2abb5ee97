"""Several boards at once: one outcome or one error each."""

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
AT_ONCE = 8


class UnexpectedError(DeployError):
    """A fault of this program with one board; what it was is the cause, the other boards have their results."""


def for_each(
    hosts: Sequence[str],
    action: Callable[[Board], T],
    *,
    config: Path | None,
    identity: Path | None,
) -> list[T | MixerEdgeError]:
    """Return what ``action`` gave for each host, or the error that stopped it; steps are logged.

    An exception that no one expected ends its own board's action alone. Its traceback is logged when all are done.

    Raises:
        DeployError: a host, or a file that ssh is to use, cannot be meant; no board was spoken to.
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
        except Exception as error:  # the other boards are not to blame
            unexpected = UnexpectedError(f"{host}: {type(error).__name__}: {error}; a fault of this program")
            unexpected.__cause__ = error
            return unexpected

    with ThreadPoolExecutor(min(AT_ONCE, len(hosts))) as pool:
        results = list(pool.map(one, hosts))
    for host, result in zip(hosts, results, strict=True):
        if isinstance(result, UnexpectedError):
            reason = str(result).removeprefix(f"{host}: ")
            log.error("[%s] error: %s", host, reason, exc_info=result.__cause__)
    return results
