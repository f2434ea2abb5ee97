"""Several boards at once: one outcome or one error each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from mixer_edge.errors import MixerEdgeError
from mixer_edge_export.deploy.ssh import Connection, DeployError, check_host, connect

log = logging.getLogger(__name__)

T = TypeVar("T")
AT_ONCE = 8


def for_each(
    hosts: Sequence[str],
    action: Callable[[Connection, Callable[[str, str], None]], T],
    *,
    config: Path | None,
    identity: Path | None,
) -> list[T | MixerEdgeError]:
    """Return what ``action`` gave for each host, or the error that stopped it; steps are logged.

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
                return action(connection, report)
        except MixerEdgeError as error:
            log.error("[%s] error: %s", host, str(error).removeprefix(f"{host}: "))
            return error

    with ThreadPoolExecutor(min(AT_ONCE, len(hosts))) as pool:
        return list(pool.map(one, hosts))
