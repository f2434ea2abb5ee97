"""Which pictures are waiting, with a worker, or done."""

from __future__ import annotations

from mixer_edge_export.cluster.ledger import Batch, Ledger


def taken(batch: Batch | None) -> tuple[int, ...]:
    """Return the positions of a batch; nothing if there is none."""
    return () if batch is None else batch.positions


def test_batches_take_a_second_and_become_small() -> None:
    """Four pictures first, then as many as a thread does in a second, at most half of an even share."""
    ledger = Ledger(1000)
    assert taken(ledger.take("a", None, 2)) == (0, 1, 2, 3)
    assert taken(ledger.take("a", 100.0, 2)) == tuple(range(4, 104))
    assert len(taken(ledger.take("b", 1000.0, 2))) == 896 // 4
    sizes = []
    while batch := ledger.take("a", 1000.0, 2):
        sizes.append(len(batch.positions))
    assert sizes[:3] == [168, 126, 94]
    assert sizes[-4:] == [1, 1, 1, 1]
    assert sizes == sorted(sizes, reverse=True)
    assert 4 + 100 + 224 + sum(sizes) == 1000
    assert len(taken(Ledger(10**9).take("a", 1e6, 2))) == 1024
    assert len(taken(Ledger(10).take("a", 0.01, 1))) == 1


def test_everything_is_done_once() -> None:
    """The first answer to a batch counts, and the run is complete after the last."""
    ledger = Ledger(8)
    one, other = ledger.take("a", None, 1), ledger.take("b", None, 1)
    assert one is not None
    assert other is not None
    assert ledger.share("a") is other if not ledger.waiting else ledger.share("a") is None
    assert ledger.finish(one.number) is one
    assert ledger.finish(one.number) is None
    assert (ledger.done, ledger.complete) == (4, False)
    ledger.lose(one.number, "a")
    while batch := ledger.take("a", None, 1):
        ledger.finish(batch.number)
    ledger.finish(other.number)
    assert (ledger.done, ledger.complete) == (8, True)


def test_an_idle_worker_shares_the_oldest_batch_of_others() -> None:
    """Two workers have it then, and no third one; it goes back only when both have lost it."""
    ledger = Ledger(2)
    one, other = ledger.take("a", 1.0, 1), ledger.take("b", 1.0, 1)
    assert one is not None
    assert other is not None
    assert ledger.share("b") is one
    assert ledger.share("c") is other
    assert ledger.share("c") is None
    ledger.lose(one.number, "a")
    assert ledger.waiting == 0
    ledger.lose(one.number, "b")
    assert ledger.waiting == 1
    assert ledger.share("a") is None
    assert taken(ledger.take("a", 1.0, 1)) == one.positions


def test_a_picture_that_ends_workers_is_found() -> None:
    """After one loss eight together, after the next one alone on an idle worker, and after the third no more."""
    ledger = Ledger(20)
    deadly, sizes = 3, []
    assert ledger.take("a", 10.0, 1, idle=True) == ledger.batches[1]
    ledger.lose(1, "a")
    while batch := ledger.take("a", 10.0, 1, idle=True):
        sizes.append(len(batch.positions))
        assert batch.alone == (len(sizes) > 2)
        if deadly in batch.positions:
            assert ledger.poison is None
            ledger.lose(batch.number, "a", died=True)
        else:
            ledger.finish(batch.number)
        if ledger.poison is not None:
            break
    assert ledger.poison == deadly
    assert sizes == [10, 8, 1, 1, 1, 1]


def test_a_suspect_waits_for_an_idle_worker() -> None:
    """A worker that has something else gets other pictures, or nothing; nobody shares a suspect."""
    ledger = Ledger(9)
    for _ in range(2):
        batch = ledger.take("a", 1.0, 1)
        assert batch is not None
        ledger.lose(batch.number, "a", died=True)
    assert taken(ledger.take("b", 9.0, 1)) == (1, 2, 3, 4)
    while ledger.take("b", 9.0, 1):
        pass
    assert ledger.waiting == 1
    suspect = ledger.take("c", 9.0, 1, idle=True)
    assert suspect is not None
    assert (suspect.positions, suspect.alone, ledger.waiting) == ((0,), True, 0)
    while batch := ledger.share("d"):
        assert batch is not suspect


def test_a_loss_without_a_death_does_not_count() -> None:
    """A worker that is refused, or an answer that is lost, says nothing of the pictures."""
    ledger = Ledger(1)
    for _ in range(10):
        batch = ledger.take("a", 1.0, 1)
        assert batch is not None
        ledger.lose(batch.number, "a")
    assert ledger.poison is None
