"""Real schedulers and workers of Dask on the loopback interface, and the command that uses them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mixer_edge.cache import CACHE_VARIABLE

DEADLINE_S = 60
DASK = Path(sys.executable).with_name("dask")
LOOPBACK = ("--host", "127.0.0.1", "--no-dashboard")


def wait_until(true: Callable[[], object], what: str) -> None:
    """Return when ``true`` is; fail if it is not in a time that is far longer than it takes."""
    end = time.monotonic() + DEADLINE_S
    while not true():
        if time.monotonic() > end:
            pytest.fail(f"not in {DEADLINE_S} s: {what}", pytrace=False)
        time.sleep(0.01)


class Program:
    """A process that writes to a log, in a folder of its own with a cache of its own."""

    def __init__(self, folder: Path, command: Sequence[str | Path], env: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.log = folder, folder / "log"
        with self.log.open("wb") as log:
            environment = {**os.environ, CACHE_VARIABLE: str(folder / "cache"), **env}
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=folder
            )

    def until(self, text: str) -> str:
        """Return what follows ``text`` in the log, once it is there."""
        pattern = re.compile(rf"{text}\s*(\S+)")
        wait_until(
            lambda: pattern.search(self.log.read_text()) or self.process.poll() is not None, f"{text} in {self.log}"
        )
        found = pattern.search(self.log.read_text())
        assert found, self.log.read_text()
        return found[1]

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal; after SIGKILL the process is gone."""
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()


@dataclass(kw_only=True)
class Machines:
    """A scheduler and its workers; all are killed at the end, whatever happened."""

    folder: Path
    arguments: tuple[str, ...] = ()
    """Of both."""
    env: Mapping[str, str] = field(default_factory=dict)
    programs: list[Program] = field(default_factory=list)
    port: int = 0
    address: str = ""

    def scheduler(self) -> Program:
        """Start the scheduler, at the same address again if there was one."""
        command = [DASK, "scheduler", *LOOPBACK, "--port", str(self.port), *self.arguments]
        name = f"scheduler-{len(self.programs)}"
        program = self._start(name, command, without_mixer_edge(self.folder / f"{name}-site"))
        self.address = program.until("Scheduler at:")
        self.port = int(self.address.rsplit(":", 1)[1])
        return program

    def worker(
        self,
        *arguments: str,
        dask: Sequence[str | Path] = (DASK,),
        env: Mapping[str, str] | None = None,
        prepare: Callable[[Path], object] | None = None,
        nanny: bool = False,
    ) -> Worker:
        """Start a worker of one thread; ``prepare`` gets its folder, which is its current one, before."""
        name = f"worker-{len(self.programs)}"
        if prepare is not None:
            (self.folder / name).mkdir()
            prepare(self.folder / name)
        command = [*dask, "worker", self.address, *LOOPBACK, "--nthreads", "1", "--local-directory", "scratch"]
        command += ["--nanny" if nanny else "--no-nanny", *self.arguments, *arguments]
        program = self._start(name, command, env or {})
        return Worker(program=program, address=program.until("Start worker at:"))

    def _start(self, name: str, command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Program:
        program = Program(self.folder / name, command, {**self.env, **(env or {})})
        self.programs.append(program)
        return program


@dataclass(kw_only=True)
class Worker:
    """A worker that is starting or has registered."""

    program: Program
    address: str

    def registered(self) -> Worker:
        """Return it when the scheduler knows it."""
        self.program.until("Registered to:")
        return self


@contextmanager
def machines(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Machines]:
    """Yield a scheduler without workers; everything is killed at the end."""
    found = Machines(folder=folder, arguments=arguments, env=env or {})
    try:
        found.scheduler()
        yield found
    finally:
        for program in found.programs:
            program.process.kill()
            program.process.wait()


@dataclass(frozen=True, kw_only=True)
class Command:
    """The command of a test, and the folder of its cache and its reports."""

    folder: Path
    bundle: Path
    data: Path | str
    programs: list[Program] = field(default_factory=list)

    def start(self, *arguments: str, name: str = "report", env: Mapping[str, str] | None = None) -> Program:
        """Start the comparison of float16 and int8."""
        command = [sys.executable, "-m", "mixer_edge_export", "compare", self.bundle, "--data", self.data]
        command += ["--variants", "float16,int8", "--report", self.folder / name, *arguments]
        number = len(list(self.folder.glob("run-*")))
        environment = {CACHE_VARIABLE: str(self.folder / "cache"), **(env or {})}
        program = Program(self.folder / f"run-{number}", command, environment)
        self.programs.append(program)
        return program

    def kill(self) -> None:
        """Kill the runs that have not ended."""
        for program in self.programs:
            program.kill()

    def run(self, *arguments: str, code: int = 0, name: str = "report", env: Mapping[str, str] | None = None) -> str:
        """Return what the comparison printed, its errors too, once it has ended with ``code``."""
        return self.end(self.start(*arguments, name=name, env=env), code)

    def end(self, program: Program, code: int = 0) -> str:
        """Return what a run printed, once it has ended with ``code``."""
        assert program.process.wait(DEADLINE_S) == code, program.log.read_text()
        return program.log.read_text()

    def journal(self) -> bytes:
        """Return the journal's content; nothing if there is none yet."""
        return b"".join(path.read_bytes() for path in (self.folder / "cache").glob("evaluations/*.journal"))

    def until_done(self, share: float) -> None:
        """Return when at least this share of the pictures is in the journal."""
        count = len(list(self.data.glob("*/*")))
        wait_until(lambda: len(self.records()) >= share * count, f"{share:.0%} of the pictures are done")

    def records(self) -> list[bytes]:
        """Return the journal's records, sorted by picture."""
        content = self.journal().partition(b"\n")[2]
        whole = len(content) - len(content) % RECORD
        records = [content[start : start + RECORD] for start in range(0, whole, RECORD)]
        return sorted(records, key=lambda record: int.from_bytes(record[:4], "little"))

    def result(self, name: str = "report") -> tuple[list[bytes], str]:
        """Return all records, and the report as JSON without its times and its machine."""
        report = json.loads((self.folder / name / "report.json").read_bytes())
        return self.records(), json.dumps(_timeless(report), sort_keys=True)


RECORD = 36 + 3 * 53
"""Bytes of a record of three variants with five answers."""


def _timeless(value: Any) -> Any:
    """Return a report without what differs from run to run: times and the machine."""
    if isinstance(value, dict):
        times = ("latency_ms", "photo_to_label_ms", "machine")
        return {key: _timeless(item) for key, item in value.items() if key not in times}
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    return re.sub(r"; ([\d.]+ times (faster|slower)|as fast) here", "", value) if isinstance(value, str) else value


RUNTIME = Path(__file__).parents[2] / "runtime" / "src"


def changed_runtime(folder: Path, file: str, old: str, new: str) -> dict[str, str]:
    """Return the environment of a worker with another mixer-edge: a copy in which one text of a file is replaced."""
    shutil.copytree(RUNTIME, folder, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / "mixer_edge" / file
    text = path.read_text("utf-8")
    assert text.count(old) == 1, f"{text.count(old)} times in {file}: {old}"
    path.write_text(text.replace(old, new), "utf-8")
    return first_on_the_path(folder)


def without_mixer_edge(folder: Path) -> dict[str, str]:
    """Return an environment in which mixer_edge cannot be imported."""
    folder.mkdir(parents=True)
    (folder / "sitecustomize.py").write_text("import sys\nsys.modules['mixer_edge'] = None\n")
    return first_on_the_path(folder)


def first_on_the_path(folder: Path) -> dict[str, str]:
    """Return an environment in which Python finds the packages of a folder before all others."""
    return {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}
