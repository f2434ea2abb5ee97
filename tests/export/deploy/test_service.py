"""The service that a unit runs: its command, what it needs of a board, and what systemd says to the unit."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tests import releases

from mixer_edge_export.deploy.sandbox import Needs, sandbox
from mixer_edge_export.deploy.service import Service, extra_of, for_release
from mixer_edge_export.deploy.ssh import DeployError

RELEASE = replace(releases.RELEASE, backend="tflite-runtime")


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("camera", '"camera" "%h/B" RUNS "--json"'),
        ("camera:/dev/video0", '"camera" "%h/B" "--source" "/dev/video0" RUNS "--json"'),
        ("watch:/srv/in", '"watch" "%h/B" "/srv/in" "--record" "%h/W-6b41d5df" RUNS "--json"'),
        (
            'watch:~/5% of $HOME "x" \\',
            '"watch" "%h/B" "%h/5%% of $$HOME \\"x\\" \\\\" "--record" "%h/W-8b5b1e29" RUNS "--json"',
        ),
        ("serve", '"serve" "%h/B" RUNS "--port" "8080"'),
        ("serve:picamera2", '"serve" "%h/B" "--source" "picamera2" RUNS "--port" "8080"'),
        ("serve:~/a b.mp4", '"serve" "%h/B" "--source" "%h/a b.mp4" RUNS "--port" "8080"'),
        ("serve:a:b", '"serve" "%h/B" "--source" "a:b" RUNS "--port" "8080"'),
    ],
)
def test_unit_quotes_what_systemd_would_expand(text: str, command: str) -> None:
    """Per cent signs, dollars, quotes and backslashes in a folder's name stay what they are."""
    unit = Service.parse(text).unit(RELEASE, user_namespaces=True)
    (line,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    command = command.replace("%h/B", "%h/.local/share/mixer-edge/current/bundle")
    command = command.replace("%h/W", "%h/.local/share/mixer-edge/watched")
    command = command.replace("RUNS", '"--variant" "int8" "--backend" "tflite-runtime"')
    assert line == f"ExecStart=%h/.local/bin/mixer-edge {command}"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd on this machine")
@pytest.mark.parametrize("user_namespaces", [True, False])
@pytest.mark.parametrize("text", ["watch:~/in box", "watch:/tmp/in", "camera", "serve", "serve:0"])
def test_systemd_takes_the_unit(text: str, user_namespaces: bool, tmp_path: Path) -> None:
    """Systemd's own check has nothing to say to it."""
    path = tmp_path / "mixer-edge.service"
    unit = Service.parse(text).unit(RELEASE, user_namespaces=user_namespaces)
    path.write_text(unit.replace("%h/.local/bin/mixer-edge", "/bin/true"))
    environment = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", path], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


UNKNOWN = [
    "watch",
    "watch:",
    "watch:in",
    "watch:/a\nb",
    "rm",
    "camera:a\nb",
    "serve:",
    "serve:a\nb",
    "servers",
]


@pytest.mark.parametrize("text", UNKNOWN)
def test_unknown_service(text: str) -> None:
    """Anything but the three commands, relative folders, line breaks and a colon without a source are refused."""
    with pytest.raises(DeployError) as caught:
        Service.parse(text)
    assert str(caught.value) == (
        f"unknown service {text!r}; expected watch:/FOLDER, watch:~/FOLDER, camera, camera:SOURCE, serve or "
        "serve:SOURCE"
    )


@pytest.mark.parametrize(
    ("text", "module"),
    [
        ("watch:/dev/video0", None),
        ("camera", "picamera2"),
        ("camera:~/a.mp4", None),
        ("serve", None),
        ("serve:picamera2", "picamera2"),
        ("serve:1", "cv2"),
        ("serve:/dev/video1", "cv2"),
        ("serve:/srv/in", None),
    ],
)
def test_the_package_that_reads_a_camera(text: str, module: str | None) -> None:
    """Only a camera needs one, and only ``camera`` has one without a source."""
    package = Service.parse(text).camera_package
    assert (package[0] if package else None) == module


def test_pictures_are_captured_if_there_is_a_source() -> None:
    """The flag is the last one of the command; a server without a source has nothing to capture."""
    for text, last in (("camera", '"--json"'), ("watch:~/in", '"--json"'), ("serve:0", '"8080"')):
        (line,) = [
            line
            for line in Service.parse(text, capture=True).unit(RELEASE, user_namespaces=True).splitlines()
            if line.startswith("ExecStart=")
        ]
        assert line.endswith(f'{last} "--capture"')
    with pytest.raises(DeployError) as caught:
        Service.parse("serve", capture=True)
    assert str(caught.value) == "--capture keeps pictures of a source, and serve has none; expected serve:SOURCE"


def test_only_serve_needs_more_packages() -> None:
    """The others need what every release has."""
    assert [extra_of(command) for command in ("serve", "watch", "camera", "")] == ["serve", None, None, None]


def test_a_unit_for_another_release() -> None:
    """Only the variant and the interpreter are others; what stands in the unit besides stays."""
    unit = Service.parse("serve:/a").unit(RELEASE, user_namespaces=True)
    other = replace(RELEASE, variant="float16", backend="ai-edge-litert")
    assert for_release(unit, other) == Service.parse("serve:/a").unit(other, user_namespaces=True)
    assert for_release(f"{unit}# mine\n", RELEASE) == f"{unit}# mine\n"


FILTERS = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictAddressFamilies={families}
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
UMask=0077
"""
KEPT = "-%h/.local/share/mixer-edge-taught -%h/.local/share/mixer-edge-captured"
OURS = "MemoryDenyWriteExecute=yes\nSystemCallFilter=@system-service\nSystemCallErrorNumber=EPERM\n"
MOUNTS = """\
PrivateUsers=yes
ProtectSystem=strict
ProtectHome=read-only
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectClock=yes
ProtectHostname=yes
CapabilityBoundingSet=
"""


@pytest.mark.parametrize(
    ("text", "families", "ours", "more"),
    [
        (
            "watch:~/in",
            "AF_UNIX",
            True,
            f"PrivateTmp=yes\nPrivateDevices=yes\nReadWritePaths=-%h/.local/share/mixer-edge {KEPT}\n",
        ),
        ("watch:/tmp", "AF_UNIX", True, f"PrivateDevices=yes\nReadWritePaths=-%h/.local/share/mixer-edge {KEPT}\n"),
        ("camera", "AF_UNIX AF_NETLINK", False, f"PrivateTmp=yes\nReadWritePaths={KEPT}\n"),
        ("serve", "AF_UNIX AF_INET AF_INET6", True, f"PrivateTmp=yes\nReadWritePaths={KEPT}\n"),
        ("serve:0", "AF_UNIX AF_INET AF_INET6 AF_NETLINK", False, f"PrivateTmp=yes\nReadWritePaths={KEPT}\n"),
        ("serve:/var/tmp/a.mp4", "AF_UNIX AF_INET AF_INET6", True, f"ReadWritePaths={KEPT}\n"),
    ],
)
def test_what_a_service_may_not_do(text: str, families: str, ours: bool, more: str) -> None:
    """What the command does not need; a board without user namespaces gets no line that would let the unit fail."""
    filters = FILTERS.format(families=families) + (OURS if ours else "")
    for user_namespaces, mounts in ((True, MOUNTS + more), (False, "")):
        unit = Service.parse(text).unit(RELEASE, user_namespaces=user_namespaces)
        assert unit.partition("RestartSec=5\n")[2] == f"{filters}{mounts}\n[Install]\nWantedBy=default.target\n"


def test_a_service_that_needs_nothing() -> None:
    """It has no network, no device, no folder and no camera."""
    needs = Needs(network=False, camera=False, devices=False, writes=(), temporary=False)
    assert sandbox(needs, user_namespaces=True) == (
        f"{FILTERS.format(families='AF_UNIX')}{OURS}{MOUNTS}PrivateTmp=yes\nPrivateDevices=yes\n"
    )
