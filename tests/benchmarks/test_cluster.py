"""The simulation of a cluster, on costs for which the outcome is known, and the page of its figures."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from dataclasses import asdict, replace
from typing import Any

import pytest
from benchmarks.cluster_machines import Counter
from benchmarks.cluster_page import page, plot, verdicts
from benchmarks.cluster_simulation import Costs, fit, limits, simulate

COSTS = Costs(
    worker_s=0.25,
    client_s=0.0,
    scheduler_s=0.0,
    start_s=0.0,
    client_mib=100.0,
    client_bytes=2**20,
    journal_bytes=354.0,
    wire_bytes=500.0,
)


def run(pictures: int, wall_s: float, **changes: Any) -> dict[str, Any]:
    """Return the figures of a run on two threads."""
    facts = {"threads": 2, "worker_s": 0.25, "client_cpu_s": 1 + 0.002 * pictures, "client_peak_mib": 100.0 + pictures}
    facts |= {"pictures": pictures, "variants": 6, "wall_s": wall_s, "batches": pictures // 2}
    facts |= {"journal_bytes": 1000 + 354 * pictures, "sent_bytes": 100 * pictures, "received_bytes": 400 * pictures}
    return facts | changes


def test_threads_that_do_nothing_but_compute() -> None:
    """Two seconds of work take one thread two seconds, in batches of 4, 2, 1 and 1; and two threads one second."""
    alone = simulate(8, 1, COSTS)
    assert (alone.wall_s, alone.batches, alone.efficiency) == (2.0, 4, 1.0)
    pair = simulate(8, 2, COSTS)
    assert (pair.wall_s, pair.efficiency) == (1.0, 1.0)
    assert (pair.client_mib, pair.journal_bytes, pair.wire_bytes) == (108.0, 2832.0, 4000.0)


def test_what_is_done_one_at_a_time_holds_up_the_rest() -> None:
    """With a client of a second for each picture, ten take ten seconds and more, whatever the threads do."""
    slow = simulate(10, 100, replace(COSTS, worker_s=0.001, client_s=1.0, start_s=5.0))
    assert 15 <= slow.wall_s < 15.1
    assert slow.efficiency < 0.001
    batches = simulate(1000, 4, replace(COSTS, worker_s=0.001, scheduler_s=3.0))
    assert 3 * batches.batches <= batches.wall_s < 3 * batches.batches + 1


def test_a_long_run_goes_on_at_the_same_rate() -> None:
    """A hundred times as many pictures take a hundred times as long, without simulating every batch."""
    costs = replace(COSTS, client_s=0.0001, scheduler_s=0.001)
    short, long = simulate(10_000, 4, costs), simulate(1_000_000, 4, costs)
    assert long.wall_s / short.wall_s == pytest.approx(100, rel=0.01)
    assert long.batches / short.batches == pytest.approx(100, rel=0.1)


def test_costs_come_from_two_runs() -> None:
    """What grows with the pictures is a picture's, the rest is there without any."""
    small, large = run(100, 20.0), run(300, 40.0)
    costs = fit(small, large, 500.0, 0.0)
    expected = replace(COSTS, client_s=0.002, start_s=costs.start_s)
    assert asdict(costs) == pytest.approx(asdict(expected))
    assert costs.start_s == pytest.approx(40 - simulate(300, 2, expected).wall_s + costs.start_s)
    assert 2 < costs.start_s < 2.5


def test_limits() -> None:
    """Each by hand: memory and disk in pictures, the others in threads."""
    costs = replace(COSTS, client_s=0.001, scheduler_s=0.002)
    found = [(what, value) for what, _, value in limits(costs, memory_gib=1.0, disk_gb=0.354, bits_per_s=4e6)]
    assert found == [
        ("pictures", 924.0),
        ("pictures", 1_000_000.0),
        ("pictures", 2**31),
        ("threads", 250.0),
        ("threads", 500.0),
        ("threads", 250.0),
    ]


def test_the_page() -> None:
    """What is promised and whether it is kept, and only the parts that were measured."""
    ratio = {"median": 0.5, "low": 0.45, "high": 0.6}
    row = {"wall_s": {"median": 20.0, "low": 19.0, "high": 21.0}, "ratio": ratio}
    rows = {"plain loop": row, "two processes": row, "two workers": row}
    speed = {"pictures": 3260, "variants": 6, "rows": rows, "to_processes": {"median": 1.2, "low": 1.1, "high": 1.3}}
    runs = [run(100, 20.0), run(300, 40.0), run(10_000, 1290.0)]
    costs = fit(runs[0], runs[1], 500.0, 0.001)
    check = {"runs": runs, "sent_bytes": 100.0, "received_bytes": 400.0, "costs": asdict(costs), "bundle_bytes": 1e7}
    check |= {"tasks": {"per_second": 1234.0, "cpu_s": 0.001}, "foretold": asdict(simulate(10_000, 2, costs))}
    facts = {"processor": "Test", "instruction_sets": ["avx2"], "system": "Linux", "python": "3.11", "tools": {}}
    facts |= {"load": 0.0, "two_processes": 2.0}
    found = {name: {"machine": facts, "figures": part} for name, part in (("speed", speed), ("check", check))}
    assert [kept for *_, kept in verdicts(found)] == [True, False, True, True]
    text = page(found)
    assert (
        "| two workers of one thread, to a plain loop | at least 1.7 times as fast | 2.00 (1.67 to 2.22) | yes |"
        in text
    )
    assert "| the same, to two processes: wall time | at most 1.1 | 1.20 (1.10 to 1.30) | **no** |" in text
    assert "| results over the wire | at most 1,000 bytes per picture | 400 bytes | yes |" in text
    assert "| a million pictures, at $0.05 for an hour of a core | $3.47 |" in text
    assert "| the bundle, once to each worker | 10.0 MB |" in text
    assert page({}).splitlines()[0] == "| figure | bound | measured | kept |"
    assert "3,260 pictures" not in page({"check": found["check"]})
    busy = "**The machine was busy with something else: do not rely on the times.**"
    assert busy not in text
    assert page({"speed": {"machine": facts | {"two_processes": 1.1}, "figures": speed}}).splitlines()[-1] == busy
    drawing = plot(found)
    assert drawing.startswith("<svg ")
    assert drawing.count("<circle ") == 2


def test_bytes_are_counted_in_both_directions() -> None:
    """Those of a question and of its answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with closing(server.accept()[0]) as connection:
                connection.sendall(connection.recv(100) * 3)

        thread = threading.Thread(target=answer)
        thread.start()
        counter = Counter(server.getsockname()[1])
        with socket.create_connection(("127.0.0.1", counter.port)) as client:
            client.sendall(b"12345")
            received = b""
            while piece := client.recv(100):
                received += piece
        thread.join()
        counter.close()
    assert received == b"12345" * 3
    assert (counter.sent, counter.received) == (5, 15)
