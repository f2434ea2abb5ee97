"""A broker for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.broker.brokers import Broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker for anybody, started; it is stopped at the end whatever happened."""
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.stop()
