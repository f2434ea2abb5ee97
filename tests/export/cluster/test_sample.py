"""Pictures that this machine computes again."""

from __future__ import annotations

import numpy as np
import pytest

import mixer_edge_export.cluster.sample
from mixer_edge.cluster.worker import Answer
from mixer_edge.errors import MixerEdgeError
from mixer_edge_export.cluster.sample import SHARE, Sample

DTYPE = np.dtype([("picture", "<i4"), ("pixels", "V4"), ("value", "<f4")])


def records(*rows: tuple[int, bytes, float]) -> Answer:
    """Return an answer with these records."""
    return Answer(batch=1, records=np.array(list(rows), DTYPE), failed=(), seconds=1.0)


@pytest.mark.parametrize(
    ("there", "what"), [((7, b"abce", 0.5), "pixels"), ((7, b"abcd", 0.25), "results")], ids=["pixels", "results"]
)
def test_another_record_ends_the_run(there: tuple[int, bytes, float], what: str) -> None:
    """The message says what to remove, as earlier answers of this worker may be stored."""
    sample = Sample(lambda number: np.array([(number, b"abcd", 0.5)], DTYPE))
    sample.compare("tcp://worker", records((7, b"abcd", 0.5)))
    with pytest.raises(MixerEdgeError) as error:
        Sample(sample.compute).compare("tcp://worker", records(there))
    assert str(error.value) == (
        f"tcp://worker: picture 7 has other {what} there than here, although the first ones were equal; remove the "
        "journal of this run from the user's cache, and repeat without this worker"
    )
    assert sample.count == 1


def test_a_picture_that_this_machine_cannot_read() -> None:
    """It is another one there."""
    with pytest.raises(MixerEdgeError, match="^tcp://worker: picture 7 has other pixels there than here"):
        Sample(lambda number: "a.png: no such file").compare("tcp://worker", records((7, b"abcd", 0.5)))


def test_it_takes_little_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """After one that took a second, the next one comes when that is the share of the time; no records are none."""
    now = [0.0]
    monkeypatch.setattr(mixer_edge_export.cluster.sample.time, "monotonic", lambda: now[0])

    def compute(number: int) -> np.ndarray:
        now[0] += 1.0
        return np.array([(number, b"abcd", 0.5)], DTYPE)

    sample, answer = Sample(compute), records((7, b"abcd", 0.5))
    counts = []
    for moment in (0.0, 10.0, 1 / SHARE - 1, 1 / SHARE + 1):
        now[0] = moment
        sample.compare("tcp://worker", answer)
        counts.append(sample.count)
    sample.compare("tcp://worker", Answer(batch=1, records=None, failed=(), seconds=1.0))
    assert counts == [1, 1, 1, 2]
