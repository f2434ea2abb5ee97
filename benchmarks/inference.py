"""Inference time at batch 1 of every tool on the same weights, alternating within one run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.contestants import FLOOR, Contestant
from benchmarks.measure import in_turns, spreads
from numpy.typing import NDArray

REFERENCE = "int8"
RUNS = 3
MAX_ERROR = 1e-3
"""How far float outputs may lie apart, as a part of the largest: the order of summation differs between tools."""


class Worker:
    """A contestant in its own process, which is stopped while others run, so that its threads cannot disturb them."""

    def __init__(self, command: Sequence[str], threads: int) -> None:
        pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = os.environ | dict.fromkeys(pools, str(threads))
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._command = command
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, env=environment
        )

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def ask(self, **request: object) -> dict[str, Any]:
        """Return the worker's answer; see ``peers/worker.py``."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._log.seek(0)
            raise SystemExit(f"{' '.join(self._command)} failed:\n{self._log.read().decode(errors='replace')}")
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self._process.send_signal(signal.SIGCONT)
        self._process.communicate()
        self._log.close()


@contextmanager
def workers(commands: dict[str, list[str]], threads: int) -> Iterator[dict[str, Worker]]:
    """Yield a running worker for every name."""
    with ExitStack() as stack:
        running = {}
        for name, command in commands.items():
            running[name] = Worker(command, threads)
            stack.callback(running[name].close)
        yield running


def outputs(running: dict[str, Worker], pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Return the logits ``[n, classes]`` of every worker for ``[n, H, W, 3]`` uint8 pictures."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "pixels.npy", Path(folder) / "outputs.npy"
        np.save(source, pixels)
        found = {}
        for name, worker in running.items():
            worker.ask(pixels=str(source), outputs=str(target))
            found[name] = np.load(target)
        return found


def check_equal_work(found: dict[str, NDArray[np.float32]], floats: Sequence[str]) -> dict[str, float]:
    """Return the difference of every output from float32's, relative to the largest.

    Raises:
        SystemExit: the outputs of a float tool differ, so it does not run the same network.
    """
    reference = found["float32"]
    errors = {
        name: float(np.abs(logits - reference).max() / np.abs(reference).max())
        for name, logits in found.items()
        if name != FLOOR
    }
    for name in floats:
        if not errors[name] <= MAX_ERROR:
            raise SystemExit(
                f"{name} is off by {errors[name]:.2g} of the largest output; float32 tools must agree to {MAX_ERROR}"
            )
    return errors


def inference(everybody: Sequence[Contestant], pixels: NDArray[np.uint8], *, threads: int, turns: int) -> Any:
    """Return for every contestant the spread of its wall and processor time and of the ratio to our int8's."""
    with workers({one.name: one.command(threads) for one in everybody}, threads) as running:
        found = outputs(running, pixels)
        errors = check_equal_work(found, [one.name for one in everybody if one.computes_float])
        cpu: dict[str, list[float]] = {name: [] for name in running}

        def take(name: str) -> float:
            running[name].ask(run=1)  # untimed: the other processes have used the caches meanwhile
            times = running[name].ask(run=RUNS)
            cpu[name].append(float(np.median(times["cpu"])))
            return float(np.median(times["wall"]))

        wall = in_turns({name: lambda name=name: take(name) for name in running}, turns)
        print(f"inference on {threads} threads: {turns} turns of {len(running)}", file=sys.stderr)
    rows = spreads(wall, REFERENCE, "wall_ms", 1000)
    for name, row in spreads({name: times[1:] for name, times in cpu.items()}, REFERENCE, "cpu_ms", 1000).items():
        rows[name] |= {"cpu_ms": row["cpu_ms"], "cpu_ratio": row["ratio"], "error": errors.get(name)}
    return rows
