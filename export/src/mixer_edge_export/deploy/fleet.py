"""Run an action on several boards in parallel; each gives one outcome or one error.

Canary boards come first: the others start when they are done, unless too many have failed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from mixer_edge.errors import MixerEdgeError, full_disk
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.probe import BoardFacts
from mixer_edge_export.deploy.ssh import DeployError, check_host, connect

log = logging.getLogger(__name__)

T = TypeVar("T")
MAX_PARALLEL = 8


class UnexpectedError(DeployError):
    """An unexpected exception on one board, which is its ``__cause__``; the other boards have their results."""


class NotStartedError(DeployError):
    """A board was not contacted, because too many others had failed."""


def for_each(
    hosts: Sequence[str],
    action: Callable[[Board], T],
    *,
    config: Path | None,
    identity: Path | None,
    canary: int = 0,
    max_failures: int | None = None,
) -> list[T | MixerEdgeError]:
    """Return the result of ``action`` for each host, or the error that stopped it; steps are logged.

    An unexpected exception only ends the action on its own board. Its traceback is logged when all boards are done.

    Args:
        hosts: the boards.
        action: what to do on a board.
        config: file to read instead of ``~/.ssh/config``.
        identity: private key for ssh.
        canary: how many of the boards come first; the others start when these are done.
        max_failures: no further board is started when more than this number have failed; None for no limit.

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

    failed: list[str] = []

    def one(host: str) -> T | MixerEdgeError:
        if max_failures is not None and len(failed) > max_failures:
            return NotStartedError(f"{host}: not started: more than {max_failures} boards had failed")
        result = attempt(host)
        if isinstance(result, MixerEdgeError):
            failed.append(host)
        return result

    def attempt(host: str) -> T | MixerEdgeError:
        def known(error: MixerEdgeError) -> MixerEdgeError:
            log.error("[%s] error: %s", host, str(error).removeprefix(f"{host}: "))
            return error

        def report(step: str, text: str) -> None:
            if text:
                log.info("[%s] %-8s %s", host, step, text)

        try:
            with connect(host, config=config, identity=identity) as connection:
                return action(Board(connection, report))
        except MixerEdgeError as error:
            return known(error)
        except Exception as error:  # the other boards must not be affected
            if isinstance(error, OSError) and (message := full_disk(error)) is not None:
                return known(DeployError(f"{host}: {message}"))
            unexpected = UnexpectedError(f"{host}: {type(error).__name__}: {error}; this is a bug, please report it")
            unexpected.__cause__ = error
            return unexpected

    with ThreadPoolExecutor(min(MAX_PARALLEL, len(hosts))) as pool:
        results = [result for part in (hosts[:canary], hosts[canary:]) for result in pool.map(one, part)]
    for host, result in zip(hosts, results, strict=True):
        if isinstance(result, UnexpectedError):
            reason = str(result).removeprefix(f"{host}: ")
            log.error("[%s] error: %s", host, reason, exc_info=result.__cause__)
    return results


def probe_again(hosts: Sequence[str], *, config: Path | None, identity: Path | None) -> list[BoardFacts | None]:
    """Return the facts of boards on which an action failed; None for a board that does not answer."""

    def one(host: str) -> BoardFacts | None:
        with suppress(Exception), connect(host, config=config, identity=identity) as connection:
            return Board(connection, lambda step, text: None).probe()
        return None

    with ThreadPoolExecutor(MAX_PARALLEL) as pool:
        return list(pool.map(one, hosts))
