"""A camera on a whole board with the user's systemd; its pictures come from stand-ins of picamera2 and OpenCV.

They are installed as Debian installs the real ones: for the system's Python alone, with the system's numpy.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from emulator.disk import Disk
from emulator.machine import Machine, booted, overlay
from tests.board import running
from tests.board.conftest import command_line, workstation
from tests.board.running import wait_for

# A camera is a device that the service must see; no driver answers for this one (ENXIO).
CAMERA = """
import errno, os, pathlib, time, numpy

def look():
    try:
        os.open("/dev/video0", os.O_RDWR)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise

def frame():
    time.sleep(0.5)
    while pathlib.Path("/home/pi/silent").exists():
        time.sleep(0.5)
    return not pathlib.Path("/home/pi/unplugged").exists(), numpy.zeros((480, 640, 3), numpy.uint8)
"""
PICAMERA2 = f"""{CAMERA}
class Picamera2:
    create_video_configuration = dict
    def __init__(self):
        look()
    def configure(self, configuration):
        assert configuration == {{"main": {{"size": (640, 480), "format": "BGR888"}}}}
    def start(self):
        pass
    def capture_array(self, stream):
        plugged, picture = frame()
        if not plugged:
            raise RuntimeError("Camera frontend has timed out!")
        return picture
    def close(self):
        pass
"""
CV2 = f"""{CAMERA}
CAP_PROP_FRAME_WIDTH, CAP_PROP_FRAME_HEIGHT = 3, 4
class VideoCapture:
    def __init__(self, source):
        assert source == "/dev/video0"
        look()
    def isOpened(self):
        return True
    def set(self, key, value):
        assert value == {{3: 640, 4: 480}}[key]
    def read(self):
        return frame()
    def release(self):
        pass
"""
PACKAGES = "/usr/lib/python3/dist-packages"
# Of the run that systemd has started last.
LABELS = f"{running.LABELS} _SYSTEMD_INVOCATION_ID=$(systemctl --user show mixer-edge --property=InvocationID --value)"
LABEL = '"categories"'


@pytest.fixture(scope="module")
def image(disk: Disk, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The board's own disk."""
    return overlay(disk.image, tmp_path_factory.mktemp("camera") / "disk.qcow2")


@pytest.fixture(scope="module")
def machine(disk: Disk, image: Path) -> Iterator[Machine]:
    """A board with a camera at ``/dev/video0``, shared by the tests in their order."""
    with booted(disk, image) as machine:
        machine.run("echo 'c /dev/video0 0660 root pi - 81:0' >/etc/tmpfiles.d/camera.conf", user="root")
        machine.run("systemd-tmpfiles --create camera.conf", user="root")
        yield machine


def refused(machine: Machine, *arguments: str) -> str:
    """Return the last line of a command of the workstation that fails."""
    done = subprocess.run(command_line(machine, *arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr.splitlines()[-1]


def service(machine: Machine) -> tuple[str, str, int]:
    """Return what ``status`` says of the service: what it runs, its state, and how often it was started again."""
    facts = json.loads(workstation(machine, "status", "board", "--json"))
    return facts["service"], facts["service_state"], facts["service_restarts"]


def install(machine: Machine, name: str, text: str) -> None:
    """Install a module for the system's Python."""
    machine.run(f"cat >{PACKAGES}/{name}.py <<'END'\n{text}\nEND", user="root")


def test_the_packages_are_missing(machine: Machine, disk: Disk, tiny_bundle: Path) -> None:
    """Deploy says so, before it copies anything."""
    for source, module, package in (
        ("picamera2", "picamera2", "python3-picamera2"),
        ("/dev/video0", "cv2", "python3-opencv"),
    ):
        assert refused(machine, "deploy", str(tiny_bundle), "board", "--service", f"camera:{source}") == (
            f"[board] error: {disk.model.hardware}: its Python has no {module}, which reads the camera: "
            f"sudo apt install {package} there, then repeat"
        )
    machine.run("test ! -e .local")


def test_picamera2(machine: Machine, tiny_bundle: Path) -> None:
    """The camera's pictures are classified; after kill -9 too."""
    install(machine, "picamera2", PICAMERA2)
    workstation(machine, "deploy", str(tiny_bundle), "board", "--service", "camera")
    wait_for(machine, LABELS, LABEL)
    assert service(machine) == ("camera", "active", 0)
    machine.run("systemctl --user kill --signal=KILL mixer-edge")
    wait_for(machine, "systemctl --user show mixer-edge --property=NRestarts", "NRestarts=1")
    wait_for(machine, LABELS, LABEL)
    assert service(machine) == ("camera", "active", 1)


def test_a_camera_that_is_unplugged(machine: Machine) -> None:
    """The journal has the reason, ``status`` the restarts; when it is there again, the service works."""
    machine.run("touch unplugged")
    wait_for(machine, "systemctl --user show mixer-edge --property=NRestarts", "NRestarts=3")
    command, state, restarts = service(machine)
    assert (command, state) == ("camera", "activating")
    assert restarts >= 3
    said = machine.run(running.LABELS).stdout.splitlines()
    assert said.count("error: picamera2: RuntimeError: Camera frontend has timed out!") >= 3
    machine.run("rm unplugged")
    wait_for(machine, LABELS, LABEL)
    assert service(machine)[:2] == ("camera", "active")


def test_a_camera_that_gives_no_picture(machine: Machine, tiny_bundle: Path) -> None:
    """A deploy fails with the reason, and the board has the release of before; then its camera works again."""
    before = machine.run("readlink .local/share/mixer-edge/current").stdout
    machine.run("touch silent")
    said = refused(machine, "deploy", str(tiny_bundle), "board", "--variant", "float16")
    assert said.startswith(
        "[board] error: mixer-edge.service does not start: the camera has given no frame for 60 s; check its cable: "
        "the release failed after the switch, the board runs "
    )
    assert machine.run("readlink .local/share/mixer-edge/current").stdout == before
    machine.run("rm silent")
    wait_for(machine, LABELS, LABEL)


def test_opencv(machine: Machine, tiny_bundle: Path) -> None:
    """The same for a V4L2 camera."""
    install(machine, "cv2", CV2)
    workstation(machine, "deploy", str(tiny_bundle), "board", "--service", "camera:/dev/video0")
    wait_for(machine, LABELS, LABEL)
    assert service(machine) == ("camera", "active", 0)


def test_a_server_with_a_camera(machine: Machine, tiny_bundle: Path) -> None:
    """Its source runs."""
    workstation(machine, "deploy", str(tiny_bundle), "board", "--service", "serve:picamera2")
    assert "serve on port 8080: ok (picamera2: running)" in workstation(machine, "status", "board")


def test_the_camera_after_a_power_cut(machine: Machine, disk: Disk, image: Path, tiny_bundle: Path) -> None:
    """It is read from the start, without a login."""
    workstation(machine, "deploy", str(tiny_bundle), "board", "--service", "camera")
    machine.cut_power()
    with booted(disk, image) as again:
        wait_for(again, LABELS, LABEL)
        assert service(again) == ("camera", "active", 0)
