"""A scheduler for each test, pictures, and what one machine says of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.clusters import Command, Machines, machines
from tests.conftest import LABELS
from tests.pictures import write_pictures

EACH = 200
"""Number of pictures of each of the ten labels."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Machines]:
    """A scheduler without workers."""
    with machines(tmp_path / "machines") as found:
        yield found


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two thousand pictures in class folders; shared, so not to be changed."""
    return write_pictures(tmp_path_factory.mktemp("data") / "data", LABELS, EACH)


@pytest.fixture
def command(tmp_path: Path, tiny_bundle: Path, data: Path) -> Iterator[Command]:
    """The comparison of these pictures, with a cache of its own."""
    (tmp_path / "command").mkdir()
    found = Command(folder=tmp_path / "command", bundle=tiny_bundle, data=data)
    yield found
    found.kill()


@pytest.fixture(scope="session")
def local(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path, data: Path) -> tuple[list[bytes], str]:
    """The records and the report of one machine, without a cluster."""
    command = Command(folder=tmp_path_factory.mktemp("local"), bundle=tiny_bundle, data=data)
    command.run()
    return command.result()
