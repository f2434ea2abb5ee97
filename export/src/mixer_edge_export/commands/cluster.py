"""The flags of commands that can use a cluster."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from mixer_edge.cluster.places import is_address
from mixer_edge.errors import DataError

if TYPE_CHECKING:
    from mixer_edge_export.cluster import Cluster


def add_cluster(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS|FILE",
        help="run on the workers of a Dask scheduler: tcp://scheduler:8786, or its scheduler file",
    )
    parser.add_argument(
        "--data-there",
        metavar="PATH|ADDRESS",
        help="where the workers find the pictures: another path, or an address like s3://bucket/pictures "
        "(default: the same path)",
    )


def read_place(text: str) -> Path | str:
    """Return a path, or the address that ``text`` is."""
    return text if is_address(text) else Path(text)


def open_engine(arguments: argparse.Namespace, data: Path | None) -> AbstractContextManager[Cluster | None]:
    """Return a context with the engine of ``--cluster``, or None without the flag.

    Raises:
        DataError: the flags do not go together.
        MixerEdgeError: no scheduler answers, or Dask is not installed.
    """
    if arguments.cluster is None:
        if arguments.data_there is not None:
            raise DataError("--data-there is for the workers of a cluster; add --cluster")
        return nullcontext()
    if arguments.workers is not None:
        raise DataError("--workers are processes of this machine; omit it, or --cluster")
    if data is None:
        raise DataError("--cluster needs pictures to share out; add --data")
    from mixer_edge_export.cluster import open_cluster

    return open_cluster(arguments.cluster, data, arguments.data_there)
