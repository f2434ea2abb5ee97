"""What the user's systemd of a whole board really forbids the service, with and without user namespaces."""

from __future__ import annotations

import json
from pathlib import Path

from emulator.disk import Disk
from emulator.machine import Machine, booted, overlay
from tests.board.conftest import workstation

from mixer_edge_export.deploy.layout import BASE

# Run as root: a mount is what the service sees there, "rw" or "ro"; of /tmp whether a file of another process is there.
LOOK = """
process=/proc/$(runuser -u pi -- env XDG_RUNTIME_DIR=/run/user/1000 \\
    systemctl --user show --property=MainPID --value mixer-edge)
awk '/^(NoNewPrivs|Seccomp|CapEff|Umask):/ { print $1 $2 }' $process/status
for place in / /home /sys /sys/fs/cgroup /proc/sys; do
    awk -v place=$place '$5 == place { mode = substr($6, 1, 2) } END { if (mode) print place "=" mode }' \\
        $process/mountinfo
done
touch /tmp/of-another-process
[ -e $process/root/tmp/of-another-process ] && echo /tmp=shared || echo /tmp=private
"""
FILTERS = ["Umask:0077", "CapEff:0000000000000000", "NoNewPrivs:1", "Seccomp:2"]
# /home has no mount of its own that could be written to
MOUNTS = ["/=ro", "/sys=ro", "/sys/fs/cgroup=ro", "/proc/sys=ro", "/tmp=private"]
CLASSIFY = f"""python3 -c "
import urllib.request
picture = open('{BASE}/current/smoke.png', 'rb').read()
print(urllib.request.urlopen('http://127.0.0.1:8080/v1/classify', picture, timeout=300).read().decode())" """


def test_what_the_service_may_not_do(disk: Disk, tiny_bundle: Path, tmp_path: Path) -> None:
    """A server answers without the right to write; without user namespaces the filters alone are in force."""
    with booted(disk, overlay(disk.image, tmp_path / "disk.qcow2")) as machine:
        workstation(machine, "deploy", str(tiny_bundle), "board", "--service", "serve")
        assert look(machine) == [*FILTERS, *MOUNTS]
        assert json.loads(machine.run(CLASSIFY).stdout)["image"] == "-"
        (row,) = workstation(machine, "status", "board", "--json").splitlines()
        assert json.loads(row)["health"]["status"] == "ok"
        machine.run("sysctl --quiet --write user.max_user_namespaces=0", user="root")
        workstation(machine, "deploy", str(tiny_bundle), "board", "--service", "serve")
        assert look(machine) == [*FILTERS, "/=rw", "/sys=rw", "/sys/fs/cgroup=rw", "/tmp=shared"]
        assert json.loads(machine.run(CLASSIFY).stdout)["image"] == "-"


def look(machine: Machine) -> list[str]:
    """Return what the service has, line by line."""
    return machine.run(LOOK, user="root").stdout.splitlines()
