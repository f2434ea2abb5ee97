"""A comparison on a cluster with a worker that is killed, as it is typed, and its output: a part of docs/cluster.md.

    python -m benchmarks.cluster_transcript [--times 16]

The commands run in ``build/transcript``; each picture held out of the bundled model is taken so often.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.cluster import repeated
from benchmarks.page import DOCS, replace_part

from mixer_edge.cache import CACHE_VARIABLE
from mixer_edge_export.digits.images import split_folder

MARK = "<!-- written by benchmarks.cluster_transcript -->"
SCHEDULER = "dask scheduler --host 127.0.0.1 --port 0 --no-dashboard --scheduler-file scheduler.json"
WORKER = "dask worker --scheduler-file scheduler.json --host 127.0.0.1 --nthreads 1 --no-nanny --no-dashboard"
COMPARE = "mixer-edge-export compare digits --data pictures --report"
TIMELESS = (
    r"""sed -E 's/"(latency|photo_to_label)_ms": [0-9.e-]+//g; s/; ([0-9.]+ times (faster|slower)|as fast) here//g'"""
)


class Shell:
    """Runs commands in a folder, and keeps what a user would see."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lines = folder, list[str]()
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.env = os.environ | {"PATH": path, CACHE_VARIABLE: str(folder / "cache")}
        self.started: list[subprocess.Popen[bytes]] = []

    def background(self, line: str, log: str) -> subprocess.Popen[bytes]:
        """Start a command in the background; its output goes to a file."""
        self.lines.append(f"$ {line} &> {log} &")
        with (self.folder / log).open("wb") as file:
            process = subprocess.Popen(line.split(), cwd=self.folder, stdout=file, stderr=file, env=self.env)
        self.started.append(process)
        return process

    def foreground(self, line: str, **env: str) -> None:
        """Run a command of bash, and show what it prints."""
        self.lines.append(f"$ {line}")
        command = ["bash", "-c", line]
        done = subprocess.run(
            command, cwd=self.folder, env=self.env | env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines += done.stdout.splitlines()
        if done.returncode:
            raise SystemExit("\n".join(self.lines))


def transcript(folder: Path, pictures: int) -> list[str]:
    """Return the lines of the transcript, with commands and what they print."""
    shell = Shell(folder)
    try:
        shell.background(SCHEDULER, "scheduler.log")
        workers = [shell.background(WORKER, f"worker-{number}.log") for number in (1, 2)]
        _until(lambda: all("Registered to" in (folder / f"worker-{n}.log").read_text() for n in (1, 2)))
        run = shell.background(f"{COMPARE} cluster --cluster scheduler.json", "compare.log")
        _until(lambda: run.poll() is not None or _done(folder) > pictures / 3)
        shell.lines.append(f"$ kill -9 {workers[0].pid}  # the first worker; {_done(folder):,} pictures are done")
        workers[0].kill()
        if run.wait():
            raise SystemExit((folder / "compare.log").read_text())
        shell.foreground("cat compare.log")
        shell.foreground(f"MIXER_EDGE_CACHE=$PWD/cache-local {COMPARE} local > local.log")
        shell.foreground(
            f"diff <({TIMELESS} cluster/report.json) <({TIMELESS} local/report.json) && echo equal but for times"
        )
        return shell.lines
    finally:
        for process in reversed(shell.started):
            process.kill()
            process.wait()


def _done(folder: Path) -> int:
    files = list((folder / "cache").glob("evaluations/*.journal"))
    return sum(path.stat().st_size for path in files) // (36 + 6 * 53)


def _until(true: Callable[[], object], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise SystemExit("it takes too long")
        time.sleep(0.05)


def main() -> int:
    """Run the commands, and write the transcript."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster_transcript",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--times", type=int, default=16, help="default: %(default)s, 13,040 pictures")
    parser.add_argument("--print", action="store_true", help="print it, and leave the page as it is")
    parser.add_argument("--work", type=Path, default=Path("build/transcript"), help="default: %(default)s")
    arguments = parser.parse_args()
    folder = arguments.work.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "mixer_edge_export", "export", "--model", "digits", "--out", folder / "digits"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    repeated(split_folder(folder / "digits", "held_out"), arguments.times, folder).rename(folder / "pictures")
    text = "\n".join(["```", *transcript(folder, 815 * arguments.times), "```"])
    if arguments.print:
        print(text)
    else:
        replace_part(DOCS / "cluster.md", MARK, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
