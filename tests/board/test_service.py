"""The service under the user's systemd of a whole board: what it loses in an upgrade, and what it may not do."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from emulator.disk import Disk
from emulator.machine import Machine, booted, overlay
from tests.board.conftest import workstation
from tests.board.running import LABELS, wait_for

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
# /home has no mount of its own that could be written to; systemd 257 leaves /sys as it is, but not what is below it
MOUNTS = {
    suite: ["/=ro", f"/sys={sys}", "/sys/fs/cgroup=ro", "/proc/sys=ro", "/tmp=private"]
    for suite, sys in (("bookworm", "ro"), ("trixie", "rw"))
}
# A picture every second, whole when it has its name.
CAMERA = f"""touch going; n=0
while [ -e going ]; do n=$((n + 1)); cp {BASE}/current/smoke.png next.png; mv next.png in/$n.png; sleep 1; done"""
CLASSIFY = f"""python3 -c "
import urllib.request
picture = open('{BASE}/current/smoke.png', 'rb').read()
print(urllib.request.urlopen('http://127.0.0.1:8080/v1/classify', picture, timeout=300).read().decode())" """


@pytest.fixture(scope="module")
def machine(disk: Disk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A board as new, shared by the tests in their order."""
    with booted(disk, overlay(disk.image, tmp_path_factory.mktemp("service") / "disk.qcow2")) as machine:
        yield machine


def test_an_upgrade_loses_no_picture(machine: Machine, tiny_bundle: Path) -> None:
    """One lands every second while the service is stopped, loads the new release and starts: each is answered once."""
    machine.run("mkdir in")
    workstation(machine, "deploy", str(tiny_bundle), "board", "--service", "watch:~/in")
    camera = subprocess.Popen(["ssh", "-F", str(machine.ssh_config), "board", CAMERA], stderr=subprocess.DEVNULL)
    wait_for(machine, LABELS, "/in/3.png")
    workstation(machine, "deploy", str(tiny_bundle), "board", "--variant", "float16")
    machine.run("rm going")
    assert camera.wait() == 0
    landed = machine.run("ls in").stdout.split()
    assert len(landed) > 10
    wait_for(machine, f"{LABELS} | grep -c '^{{'", str(len(landed)))
    lines = machine.run(LABELS).stdout.splitlines()
    answers = [json.loads(line)["image"] for line in lines if line.startswith("{")]
    assert Counter(answers) == Counter(f"/home/pi/in/{name}" for name in landed)


def test_what_the_service_may_not_do(machine: Machine, disk: Disk, tiny_bundle: Path) -> None:
    """A server answers without the right to write; without user namespaces the filters alone are in force."""
    workstation(machine, "deploy", str(tiny_bundle), "board", "--service", "serve")
    assert look(machine) == [*FILTERS, *MOUNTS[disk.model.suite]]
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
