"""The first process of a board: mounts the files of a Pi's kernel, then becomes the command. `Board` runs it.

It runs as root under `unshare --mount --pid --fork`: its mounts are private and end with it.
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
    # A change of user clears the setting of `unshare --kill-child`: a killed test run would leave its boards running.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        os.execvpe(job["argv"][0], job["argv"], job["env"])
    except OSError as error:
        sys.exit(f"{job['argv'][0]}: {error.strerror}")


def _mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    main()
