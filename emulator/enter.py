"""First process of a board: mounts what a Pi's kernel would show, then becomes the command. `Board` runs it.

Runs as root under `unshare --mount --pid --fork`: every mount is private to it and goes with it.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Read the description of the board and of the command, a JSON object, from the first argument; does not return."""
    job = json.loads(sys.argv[1])
    root = Path(job["root"])
    _mount("--types", "proc", "proc", root / "proc")
    _mount("--bind", job["cpuinfo"], root / "proc/cpuinfo")
    _mount("--rbind", "/dev", root / "dev")
    _mount("--types", "tmpfs", "sysfs", root / "sys")
    for name, text in job["sys"].items():
        path = root / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for source, target in job["binds"].items():
        inside = root / target.lstrip("/")
        inside.mkdir(parents=True, exist_ok=True)
        _mount("--bind", source, inside)
    os.chroot(root)
    os.chdir(job["env"]["HOME"])
    os.setgroups([job["uid"]])
    os.setgid(job["uid"])
    os.setuid(job["uid"])
    # A change of user clears what `unshare --kill-child` asked for, and a killed test run would leave its boards on.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        os.execvpe(job["argv"][0], job["argv"], job["env"])
    except OSError as error:
        sys.exit(f"{job['argv'][0]}: {error.strerror}")


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    main()
