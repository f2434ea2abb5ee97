"""How long a run on a cluster takes and what it needs, from costs that were measured on small runs.

The simulation hands out batches with the same code as the real client (``mixer_edge_export.cluster.ledger``). A batch
that is done passes the scheduler and then the client; each does one thing at a time. A thread has one more batch
waiting, as in a real run.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixer_edge_export.cluster.ledger import TARGET_S, Ledger
from mixer_edge_export.cluster.run import DEPTH

LONG = 60
"""A run is simulated for so many batches of each thread, and then goes on at the same rate."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What a picture and a batch cost."""

    worker_s: float
    """Time of one thread for a picture."""
    client_s: float
    """Processor time of the client for a picture."""
    scheduler_s: float
    """Processor time of the scheduler for a batch."""
    start_s: float
    """Before the first batch, and after the last."""
    client_mib: float
    """Memory of the client without pictures."""
    client_bytes: float
    """Memory of the client for a picture."""
    journal_bytes: float
    wire_bytes: float
    """To and from the scheduler for a picture."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A simulated run."""

    wall_s: float
    batches: int
    client_mib: float
    journal_bytes: float
    wire_bytes: float
    efficiency: float
    """Share of the threads' time in which they compute."""


def fit(small: Mapping[str, Any], large: Mapping[str, Any], wire_bytes: float, scheduler_s: float) -> Costs:
    """Return the costs from two measured runs of different size; see ``benchmarks.cluster_client``.

    Args:
        small: the smaller run.
        large: the larger one.
        wire_bytes: to and from the scheduler for a picture.
        scheduler_s: processor time of the scheduler for a batch.
    """
    more = large["pictures"] - small["pictures"]
    client_bytes = (large["client_peak_mib"] - small["client_peak_mib"]) * 2**20 / more
    costs = Costs(
        worker_s=large["worker_s"],
        client_s=max(0.0, (large["client_cpu_s"] - small["client_cpu_s"]) / more),
        scheduler_s=scheduler_s,
        start_s=0.0,
        client_mib=small["client_peak_mib"] - client_bytes * small["pictures"] / 2**20,
        client_bytes=client_bytes,
        journal_bytes=(large["journal_bytes"] - small["journal_bytes"]) / more,
        wire_bytes=wire_bytes,
    )
    simulated = simulate(large["pictures"], large["threads"], costs)
    return Costs(**costs.__dict__ | {"start_s": max(0.0, large["wall_s"] - simulated.wall_s)})


def simulate(pictures: int, threads: int, costs: Costs) -> Outcome:
    """Return what a run of so many pictures on so many threads takes."""
    size = max(1, min(1024, int(TARGET_S / costs.worker_s)))
    part = min(pictures, threads * size * LONG)
    wall_s, batches = _run(part, threads, costs)
    if part < pictures:  # the rest of the run at the rate of its middle
        half_s, half = _run(part // 2, threads, costs)
        more = (pictures - part) / (part - part // 2)
        wall_s, batches = wall_s + more * (wall_s - half_s), batches + int(more * (batches - half))
    return Outcome(
        wall_s=costs.start_s + wall_s,
        batches=batches,
        client_mib=costs.client_mib + costs.client_bytes * pictures / 2**20,
        journal_bytes=costs.journal_bytes * pictures,
        wire_bytes=costs.wire_bytes * pictures,
        efficiency=pictures * costs.worker_s / (threads * wall_s),
    )


def _run(pictures: int, threads: int, costs: Costs) -> tuple[float, int]:
    """Return the time until everything is done, and the number of batches."""
    ledger, waiting = Ledger(pictures), [deque[int]() for _ in range(threads)]
    rates: list[float | None] = [None] * threads
    busy, events = [False] * threads, list[tuple[float, int, int]]()
    scheduler = client = now = 0.0
    batches = 0

    def fill(thread: int, time: float) -> None:
        nonlocal batches
        while len(waiting[thread]) + busy[thread] < DEPTH:
            batch = ledger.take(str(thread), rates[thread], threads)
            if batch is None:
                break
            batches += 1
            waiting[thread].append(batch.number)
        start(thread, time)

    def start(thread: int, time: float) -> None:
        if waiting[thread] and not busy[thread]:
            busy[thread], number = True, waiting[thread].popleft()
            duration = costs.worker_s * len(ledger.batches[number].positions)
            heapq.heappush(events, (time + duration, thread, number))

    for thread in range(threads):
        fill(thread, 0.0)
    while events:
        now, thread, number = heapq.heappop(events)
        if number:  # a thread has done a batch
            busy[thread] = False
            start(thread, now)
            scheduler = max(now, scheduler) + costs.scheduler_s
            client = max(scheduler, client) + costs.client_s * len(ledger.batches[number].positions)
            ledger.finish(number)
            rates[thread] = 1 / costs.worker_s
            heapq.heappush(events, (client, thread, 0))
        else:  # the client has noted it
            fill(thread, now)
    return max(now, client), batches


def limits(costs: Costs, *, memory_gib: float, disk_gb: float, bits_per_s: float) -> Sequence[tuple[str, str, float]]:
    """Return what ends first: what is limited, by what, and the limit in pictures or in threads.

    Args:
        costs: what was measured.
        memory_gib: of the client's machine.
        disk_gb: for the journal.
        bits_per_s: of the client's network.
    """
    memory = (memory_gib * 1024 - costs.client_mib) * 2**20 / costs.client_bytes
    network = bits_per_s / 8 / costs.wire_bytes
    return (
        ("pictures", f"memory of the client, {memory_gib:g} GiB", memory),
        ("pictures", f"disk for the journal, {disk_gb:,.0f} GB", disk_gb * 1e9 / costs.journal_bytes),
        ("pictures", "number of a picture, 31 bits", 2.0**31),
        ("threads", "processor time of the client", costs.worker_s / costs.client_s),
        ("threads", "processor time of the scheduler", TARGET_S / costs.scheduler_s),
        ("threads", f"network of the client, {bits_per_s / 1e9:g} Gbit/s", network * costs.worker_s),
    )
