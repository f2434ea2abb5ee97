"""Servers in processes of their own, and what the system says of such a process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

END_S = 20
OURS = (sys.executable, "-m", "mixer_edge")


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that listens."""

    port: int
    pid: int
    said: deque[str]
    """The last lines on standard error, the first of them its address."""

    def memory_mib(self, name: str) -> float:
        """Return its resident memory now (``VmRSS``) or at its peak (``VmHWM``)."""
        return int(re.search(rf"{name}:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())[1]) / 1024

    def cpu_s(self) -> float:
        """Return the processor time that it has taken."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def count(self, kind: str) -> int:
        """Return the number of its threads (``task``) or of its open files and sockets (``fd``)."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/{kind}").iterdir())


@contextmanager
def serving(command: Sequence[str | Path]) -> Iterator[Server]:
    """Start a server, yield it when it has printed its address on standard error, and end it.

    Raises:
        SystemExit: it ended without an address.
    """
    lines: deque[str] = deque(maxlen=100)
    reader = threading.Thread(target=lambda: lines.extend(process.stderr))  # or its pipe would fill
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr:
                lines.append(line)
                if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                    break
            else:
                raise SystemExit(f"{' '.join(map(str, command))} failed:\n{''.join(lines)}")
            reader.start()
            yield Server(port=int(found[1]), pid=process.pid, said=lines)
        finally:
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
            if reader.is_alive():
                reader.join()


def mixer_edge(bundle: Path, *flags: str) -> list[str]:
    """Return the command of our server with one thread, on a free port."""
    return [*OURS, "serve", str(bundle), "--port", "0", "--threads", "1", *flags]
