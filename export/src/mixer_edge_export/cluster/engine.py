"""The engine: keeps every worker busy, and takes only answers of workers that have shown that they compute the same."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mixer_edge.dataset import spread
from mixer_edge.engine import Item, Records, Work
from mixer_edge_export.cluster.addresses import Places
from mixer_edge_export.cluster.connection import Connection
from mixer_edge_export.cluster.preparation import Job
from mixer_edge_export.cluster.run import Run

log = logging.getLogger(__name__)

PROBES = 8
"""Number of pictures that this machine does itself, and every worker after it."""


class Cluster:
    """An engine on the workers of a scheduler; see ``mixer_edge.engine.Engine``."""

    def __init__(self, connection: Connection, places: Places) -> None:
        """Use a connection; the pictures are at these places."""
        self.connection, self.places = connection, places

    def map(self, work: Work, items: Sequence[Item]) -> Iterator[Records | str]:
        """Yield the result of every item, in any order.

        This machine does the first few itself: every worker must give the same records before it gets others.

        Raises:
            MixerEdgeError: no worker may be used, none comes, the scheduler is gone, or the work raised it.
        """
        if not items:
            return
        function = work()
        chosen = spread(len(items), PROBES)
        results = {number: self.places.compute(function, items[number]) for number in chosen}
        yield from results.values()
        rest = [item for number, item in enumerate(items) if number not in results]
        if rest:
            job = Job.of(
                work,
                [self.places.picture(items[number]) for number in chosen],
                {items[number].number: result for number, result in results.items() if not isinstance(result, str)},
            )
            yield from Run(self.connection, self.places, job, function, rest).results()


@contextmanager
def open_cluster(cluster: str, here: Path, there: str | None) -> Iterator[Cluster]:
    """Yield an engine on the workers of a scheduler.

    Args:
        cluster: the scheduler's address, or its file.
        here: the folder of the pictures on this machine.
        there: the same folder as the workers see it, or an address; None for the same path.

    Raises:
        DataError: ``there`` is neither an absolute path nor an address.
        MixerEdgeError: no scheduler answers, or Dask is not installed.
    """
    places = Places(here=here, there=there)
    connection = Connection(cluster)
    try:
        log.info("cluster: %s, dashboard %s", connection.address, connection.dashboard)
        yield Cluster(connection, places)
    finally:
        connection.close()
