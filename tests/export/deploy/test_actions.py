"""Deploy, rollback, status and undeploy on boards that are folders here; what needs a Pi is in tests/device."""

from __future__ import annotations

import dataclasses
import fcntl
import io
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.export.deploy.conftest import Deployer, First
from tests.stand_in_boards import StandIn, stand_in, write_program

import mixer_edge
from mixer_edge.bundle import Bundle
from mixer_edge.manifest import MANIFEST_NAME, FileSpec, Manifest
from mixer_edge.release import Release
from mixer_edge.strict_json import line, read
from mixer_edge_export.cli import main
from mixer_edge_export.deploy import scripts
from mixer_edge_export.deploy.actions import Job, deploy
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.layout import BASE
from mixer_edge_export.deploy.service import Service
from mixer_edge_export.deploy.ssh import DeployError, connect

UNIT = ".config/systemd/user/mixer-edge.service"


def errors(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 1) -> list[str]:
    """Return what a command says on standard error, without what boards' interpreters say."""
    assert main(list(arguments)) == code
    return [text for text in capsys.readouterr().err.splitlines() if "XNNPACK" not in text]


def test_first_deploy(first: First, tiny_bundle: Path) -> None:
    """Every step in its order; the board runs the release by the command in its home, and says what it is."""
    steps = ["probe", "probe", "plan", "plan", "plan", "packages", "copy", "copy", "install", "verify", "verify"]
    assert [step for step, _ in first.said] == [*steps, "measure", "measure", "switch", "smoke", "tidy"]
    board, outcome = first.board, first.outcome
    assert (board.releases, board.current, board.previous) == ({outcome.release}, outcome.release, None)
    assert (outcome.backend, outcome.verified, outcome.label) == ("ai-edge-litert", "bit-equal", "bird")
    assert outcome.copied_bytes is not None
    assert outcome.threads is not None
    assert outcome.copied_bytes > sum(path.stat().st_size for path in tiny_bundle.glob("*.tflite"))
    release = read(Release, (board.base / "current/release.json").read_text())
    assert release == Release(
        name="tiny",
        task="classification",
        bundle=Manifest.read(tiny_bundle).fingerprint(),
        variant="int8",
        backend="ai-edge-litert",
        python=f"3.{sys.version_info[1]}",
        mixer_edge=mixer_edge.__version__,
        threads=outcome.threads,
    )
    there = {path.name for path in (board.base / "current/bundle").iterdir()}
    assert there == {path.name for path in tiny_bundle.iterdir()} - {"calibration.json"}
    command = f"~/.local/bin/mixer-edge classify {board.base}/current/bundle {board.base}/current/smoke.png --json"
    assert json.loads(board.run(command))["categories"][0]["label"] == "bird"


def test_a_second_deploy_only_proves(board: StandIn, deployer: Deployer) -> None:
    """Nothing is copied or installed; the same release is verified, switched to and tried."""
    name = board.current
    outcome, said = deployer(board)
    assert (outcome.release, outcome.copied_bytes, board.current) == (name, 0, name)
    assert said[-5:] == [
        ("packages", ""),
        ("verify", f"{name} is already there"),
        ("switch", str(name)),
        ("smoke", ""),
        ("tidy", ""),
    ]
    assert (board.releases, board.previous) == ({name}, None)


def test_upgrade_rollback_and_what_is_kept(
    board: StandIn, deployer: Deployer, capsys: pytest.CaptureFixture[str]
) -> None:
    """An upgrade sends what is new, rollback goes there and back, and two releases stay: those used last."""
    first = board.current
    upgrade, _ = deployer(board, variant="float16")
    second = upgrade.release
    assert upgrade.copied_bytes == len((board.base / "current/release.json").read_bytes())  # all else is linked
    assert (board.current, board.previous) == (second, first)
    assert errors(capsys, "rollback", board.host, code=0) == [
        f"[{board.host}] verify   {first}",
        f"[{board.host}] switch   {first}",
    ]
    assert (board.current, board.previous) == (first, second)
    main(["rollback", board.host, "--to", str(second), "--json"])
    row = json.loads(capsys.readouterr().out)
    assert (row["release"], row["verified"], row["label"], row["copied_bytes"]) == (second, "bit-equal", "bird", None)
    third, _ = deployer(board, variant="float32")
    assert (board.current, board.previous, board.releases) == (third.release, second, {third.release, second})
    assert errors(capsys, "rollback", board.host, "--to", str(first)) == [
        f"[{board.host}] error: no release to go back to; others there: {second}"
    ]


def test_a_clock_that_starts_in_1970(board: StandIn, deployer: Deployer) -> None:
    """A release deployed before the clock was set is still the previous one after the next deploy."""
    board.program("touch", 'exec /usr/bin/touch --date=@0 "$@"')
    second, _ = deployer(board, variant="float16")
    third, _ = deployer(board, variant="float32")
    assert (board.current, board.previous) == (third.release, second.release)
    assert board.releases == {third.release, second.release}


def test_the_releases_used_last_are_kept(board: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    """The order is that of use; status prints it, and tidy never removes the release in use or the previous one."""
    first = str(board.current)
    names = [first, "a", "b", "c", "d"]
    for name in names[1:]:
        shutil.copytree(board.base / "releases" / first, board.base / "releases" / name, symlinks=True)
    for name in ("c", "a", first, "d"):
        board.run(f"set -- {name} '#'; cd .local/share/mixer-edge; {scripts.SWITCH}")
    assert main(["status", board.host, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["current"], row["previous"], row["releases"]) == ("d", first, ["d", first, "a", "c", "b"])
    for keep, left in ((4, {"d", first, "a", "c"}), (3, {"d", first, "a"}), (1, {"d", first})):
        board.run(f"set -- {keep}; cd .local/share/mixer-edge; {scripts.TIDY}")
        assert board.releases == left


def test_a_switch_that_was_cut_between_its_renames(board: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    """``previous`` is already the release in use: status and rollback use the one before."""
    name = str(board.current)
    shutil.copytree(board.base / "current", board.base / "releases/before", symlinks=True)
    (board.base / "previous").symlink_to(f"releases/{name}")
    assert main(["status", board.host, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["previous"] == "before"


def test_fewer_than_two_releases_are_refused(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rollback needs the previous one."""
    with pytest.raises(SystemExit):
        main(["deploy", str(tiny_bundle), "pi", "--keep", "1"])
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .endswith("argument --keep: 1; expected 2 or more: rollback needs the previous release")
    )


def test_a_dry_run_changes_nothing(board: StandIn, deployer: Deployer) -> None:
    """The plan is told, with what the board runs now."""
    before = sorted(board.home.rglob("*"))
    outcome, said = deployer(board, variant="float16", dry_run=True)
    assert said[-1] == ("plan", f"tiny float16 to ~/.local/share/mixer-edge, now {board.current} there")
    assert (outcome.release, outcome.backend, outcome.verified) == (board.current, "ai-edge-litert", None)
    assert sorted(board.home.rglob("*")) == before


def test_golden_vectors_fail(board: StandIn, deployer: Deployer, tmp_path: Path) -> None:
    """A release that computes something else there than it did here is not put to use, and not kept."""
    bundle = shutil.copytree(deployer.bundle, tmp_path / "bundle")
    manifest = Manifest.read(bundle)
    golden = dict(np.load(bundle / manifest.golden.name))
    golden["float16"] = golden["float16"][:, ::-1]
    written = io.BytesIO()
    np.savez(written, **golden)
    (bundle / manifest.golden.name).write_bytes(written.getvalue())
    sealed = dataclasses.replace(manifest, golden=FileSpec.of(bundle / manifest.golden.name))
    (bundle / MANIFEST_NAME).write_bytes(sealed.to_bytes())
    assert re.fullmatch(
        rf"{board.host}: the board's outputs differ from the workstation's: float16 differs by \S+ of the "
        r"largest output, tolerance 0.02 \(ai-edge-litert\): verify failed, the board still runs "
        rf"{board.current}; fix this, then repeat",
        deployer.refused(board, variant="float16", bundle=Bundle.open(bundle)),
    )


def test_too_little_room(board: StandIn, deployer: Deployer) -> None:
    """It is told before anything is copied, with the numbers."""
    board.program("df", "printf 'Filesystem\\nx 1 1 34000 1%% /\\n'")
    assert re.fullmatch(
        rf"{board.host}: 35 MB free there, \d+ MB needed and 34 MB to spare; free some space, then repeat",
        deployer.refused(board, variant="float16"),
    )


@pytest.mark.parametrize(
    ("step", "program", "script", "said"),
    [
        (
            "copy",
            "rsync",
            "echo 'rsync: [receiver] write failed on \"x\": No space left on device (28)' >&2; exit 11",
            'rsync: [receiver] write failed on "x": No space left on device (28)',
        ),
        (
            "install",
            "python3",
            'case "$*" in *venv) echo "OSError: [Errno 28] No space left on device" >&2; exit 1 ;; esac\n'
            f'exec {sys.executable} "$@"',
            "OSError: [Errno 28] No space left on device",
        ),
    ],
)
def test_disk_full(board: StandIn, deployer: Deployer, step: str, program: str, script: str, said: str) -> None:
    """What the board's program says, the step, and what to do."""
    board.program(program, script)
    assert deployer.refused(board, variant="float16") == (
        f"{board.host}: {said}: {step} failed, the board still runs {board.current}; free some space there, then repeat"
    )


def damaged_picture(board: StandIn) -> None:
    """Damage the golden picture of the release in use, which another release may have too."""
    picture = board.base / "current/smoke.png"
    picture.unlink()
    picture.write_bytes(b"no picture")


def test_a_release_that_fails_once_in_use(board: StandIn, deployer: Deployer) -> None:
    """The board runs the same release as before, and rollback switches to the same one as before."""
    first = str(board.current)
    shutil.copytree(board.base / "releases" / first, board.base / "releases/before", symlinks=True)
    (board.base / "previous").symlink_to("releases/before")
    with pytest.raises(Exception, match="the release failed after the switch") as caught:
        deployer(board, variant="float16", at={"smoke": lambda: damaged_picture(board)})
    assert str(caught.value) == (
        f"{board.host}: smoke.png: is not a JPEG, PNG, GIF, WebP, TIFF, BMP or PPM picture (it begins with "
        f"b'no picture'): the release failed after the switch, the board runs {first} again"
    )
    assert (board.current, board.previous) == (first, "before")


def test_a_first_release_that_fails_once_in_use(first: First, deployer: Deployer) -> None:
    """There is nothing to go back to: the board has no release in use and no command."""
    board = stand_in("empty")
    with pytest.raises(Exception, match="the board runs nothing again$"):
        deployer(board, at={"smoke": lambda: damaged_picture(board)})
    assert (board.current, board.previous) == (None, None)
    assert not (board.home / ".local/bin/mixer-edge").exists()


def test_another_deploy_is_at_work(board: StandIn, deployer: Deployer, capsys: pytest.CaptureFixture[str]) -> None:
    """Deploy, rollback and undeploy are told so."""
    with (board.base / "deploy.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        message = "another deploy is running on this board; repeat when it is done"
        assert deployer.refused(board, variant="float16") == f"{board.host}: {message}"
        for command in ("rollback", "undeploy"):
            assert errors(capsys, command, board.host) == [f"[{board.host}] error: {message}"]


def test_a_step_that_runs_on_is_waited_for_so_long(
    board: StandIn, deployer: Deployer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed deploy left running holds the step's lock; when it does not end, that is told."""
    monkeypatch.setattr(scripts, "WAIT_S", 1)
    with (board.base / "step.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert deployer.refused(board) == (
            f"{board.host}: a step of an earlier deploy still runs there after 1 s; repeat later"
        )


def test_a_damaged_release_json(board: StandIn, deployer: Deployer, capsys: pytest.CaptureFixture[str]) -> None:
    """The board keeps its row, what needs the release says so in one line, and a deploy puts it right."""
    name, host = board.current, board.host
    (board.base / "current/release.json").write_bytes(b'{"schema_version": 2, "na\xff\n\x00current=x\n')
    reason = "not JSON: Invalid \\escape: line 1 column 26 (char 25)"
    broken = f"release.json of {name} there cannot be read ({reason})"
    assert main(["status", host]) == 0
    told = capsys.readouterr()
    assert told.err == f"[{host}] status   {broken}\n"
    assert re.search(rf"^{host} .* unknown: deploy again  - +{name}  -  ", told.out, re.MULTILINE)
    assert main(["status", host, "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["host"], row["current"], row["release"], row["release_error"]) == (host, name, None, reason)
    assert errors(capsys, "benchmark", host) == [f"[{host}] error: {broken}; deploy again"]
    outcome, said = deployer(board)
    assert ("verify", f"{broken}; installing a new copy") in said
    assert (outcome.release, board.current, board.previous) == (f"{name}-2", f"{name}-2", name)
    assert main(["status", host]) == 0
    assert f"tiny int8 on ai-edge-litert  {outcome.threads}        {name}-2  {name}  " in capsys.readouterr().out
    assert errors(capsys, "rollback", host) == [f"[{host}] error: {broken}; deploy again"]
    assert board.current == f"{name}-2"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"schema_version": 2', '"schema_version": 3', "field 'schema_version' is 3, this program knows 2"),
        ('"schema_version": 2', '"schema_version": 1', "field 'schema_version' is 1, this program knows 2"),
        ('"mixer_edge"', '"mixer-edge"', "unknown field 'mixer-edge'"),
    ],
)
def test_a_release_of_another_version(
    board: StandIn, capsys: pytest.CaptureFixture[str], old: str, new: str, reason: str
) -> None:
    """A newer program deployed it, or an older one; the boards beside it are not touched by that."""
    file = board.base / "current/release.json"
    file.write_text(file.read_text().replace(old, new))
    assert main(["status", board.host, "first"]) == 0
    told = capsys.readouterr()
    assert f"[{board.host}] status   release.json of {board.current} there cannot be read ({reason})\n" == told.err
    assert [re.split("  +", row)[2] for row in told.out.splitlines()] == [
        "runs",
        "unknown: deploy again",
        "tiny int8 on ai-edge-litert",
    ]


def test_an_older_mixer_edge_prints_something_else(board: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    """Rollback to its release is refused in one line, and the board runs what it ran."""
    current = board.current
    older = shutil.copytree(board.base / "current", board.base / "releases/older", symlinks=True)
    release = read(Release, (older / "release.json").read_text())
    (older / "release.json").write_text(line(dataclasses.replace(release, mixer_edge="0.0.9")))
    (older / "venv/bin/python").unlink()
    write_program(older / "venv/bin/python", '#!/bin/sh\necho \'{"result": "ok"}\'\n')
    assert errors(capsys, "rollback", board.host, "--to", "older") == [
        f"[{board.host}] verify   older",
        f"[{board.host}] error: this version cannot read the output of its mixer-edge 0.0.9 (unknown field "
        "'result'); deploy again",
    ]
    assert board.current == current


def test_the_service_is_written_started_and_restarted(board: StandIn, deployer: Deployer) -> None:
    """With a systemd of the user's; the unit names the variant, and what follows a deploy restarts it."""
    board.program("systemctl", 'echo "$*" >> ~/systemctl.log')
    board.program("systemd-analyze", "exit 0")
    _, said = deployer(board, service=Service.parse("watch:~/in"))
    assert said[-2] == (
        "service",
        "mixer-edge.service started and works; its labels, there: journalctl --user -u mixer-edge; "
        "to run it without a login: sudo loginctl enable-linger, there",
    )
    unit = (board.home / UNIT).read_text()
    assert '"watch" "%h/.local/share/mixer-edge/current/bundle" "%h/in" "--record" ' in unit
    assert '"--variant" "int8"' in unit
    deployer(board)
    calls = [call for call in (board.home / "systemctl.log").read_text().splitlines() if " show" not in call]
    assert calls == [
        "--user daemon-reload",
        "--user enable mixer-edge.service",
        "--user restart mixer-edge.service",
        "--user try-restart mixer-edge.service",
    ]


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ("error: /home/pi/in: cannot be watched\nmixer-edge.service: Failed", "/home/pi/in: cannot be watched"),
        ("mixer-edge.service: start operation timed out", "mixer-edge.service: start operation timed out"),
        ("", "Job failed (more: journalctl --user -u mixer-edge, there)"),
    ],
)
def test_a_service_that_does_not_start_says_why(board: StandIn, deployer: Deployer, log: str, reason: str) -> None:
    """With the last lines of its log; the board runs the same release again, and has no unit."""
    board.program("systemd-analyze", "exit 0")
    board.program("systemctl", 'case $* in *" restart "*) echo "Job failed" >&2; exit 1 ;; esac')
    board.program("journalctl", f"cat <<'END'\n{log}\nEND\n")
    name, said = board.current, []
    with connect(board.host) as connection, pytest.raises(DeployError) as caught:
        job = Job(bundle=Bundle.open(deployer.bundle), variant="float16", service=Service.parse("watch:~/in"))
        deploy(Board(connection, lambda step, text: said.append((step, text))), job)
    assert str(caught.value) == (
        f"{board.host}: mixer-edge.service does not start: {reason}: the release failed after the switch, "
        f"the board runs {name} again"
    )
    assert [text for step, text in said if step == "service" and text] == log.splitlines()
    assert board.current == name
    assert not (board.home / UNIT).exists()


@pytest.mark.parametrize(
    ("state", "restarts", "cell"),
    [
        ("active", 0, "watch: running"),
        ("activating", 12, "watch: starting, 12 restarts"),
        ("failed", 1, "watch: failed, 1 restart"),
        ("inactive", 0, "watch: not running"),
        ("reloading", 0, "watch: reloading"),
    ],
)
def test_the_status_of_a_service(
    state: str, restarts: int, cell: str, board: StandIn, deployer: Deployer, capsys: pytest.CaptureFixture[str]
) -> None:
    """What systemd says of it, and how often it has started it again."""
    board.program("systemd-analyze", "exit 0")
    board.program("systemctl", f"case $* in *' show '*) printf 'ActiveState={state}\\nNRestarts={restarts}\\n' ;; esac")
    deployer(board, service=Service.parse("watch:~/in"))
    capsys.readouterr()
    assert main(["status", board.host]) == 0
    assert re.split("  +", capsys.readouterr().out.splitlines()[1])[6] == cell


def test_a_running_service_that_does_not_start_again(
    board: StandIn, deployer: Deployer, capsys: pytest.CaptureFixture[str]
) -> None:
    """After an upgrade without ``--service`` the board runs the same release, and the service is restarted with it."""
    board.program("systemd-analyze", "exit 0")
    board.program("systemctl", "exit 0")
    deployer(board, service=Service.parse("watch:~/in"))
    name = board.current
    board.program(
        "systemctl", f'case $* in *try-restart*) [ "$(readlink ~/{BASE}/current)" = releases/{name} ] ;; esac'
    )
    with pytest.raises(DeployError, match="does not start: .* the board runs .* again$"):
        deployer(board, variant="float16")
    assert board.current == name


@pytest.mark.parametrize(
    ("service", "missing"),
    [
        ("camera", "picamera2, which reads the camera: sudo apt install python3-picamera2"),
        ("camera:picamera2", "picamera2, which reads the camera: sudo apt install python3-picamera2"),
        ("camera:0", "cv2, which reads the camera: sudo apt install python3-opencv"),
        ("camera:/dev/video1", "cv2, which reads the camera: sudo apt install python3-opencv"),
    ],
)
def test_a_camera_without_its_package(board: StandIn, deployer: Deployer, service: str, missing: str) -> None:
    """It is refused before anything changes; other sources need none."""
    board.program("python3", f'{sys.executable} "$@" | sed "s/^cv2=yes/cv2=no/"')
    message = deployer.refused(board, variant="float16", service=Service.parse(service))
    assert message.endswith(f": its Python has no {missing} there, then repeat")


def test_undeploy_removes_what_deploy_put_there(
    board: StandIn, deployer: Deployer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Releases, command and unit go, other files stay, and a second time is no error."""
    deployer(board, service=Service.parse("watch:~/in"))
    assert (board.home / UNIT).exists()
    (board.home / ".local/bin/other").write_text("mine")
    for _ in range(2):
        assert main(["undeploy", board.host, "--json"]) == 0
        row = json.loads(capsys.readouterr().out)
        assert (row["host"], row["release"], row["backend"]) == (board.host, None, None)
        left = [path for folder in (".local", ".config") for path in (board.home / folder).rglob("*")]
        assert [path for path in left if path.is_file()] == [board.home / ".local/bin/other"]


def test_status_of_boards(board: StandIn, first: First, capsys: pytest.CaptureFixture[str]) -> None:
    """One row each: with a release, without one, and a host that is none; the exit code tells of the last."""
    stand_in("bare")
    assert main(["status", "first", "bare", "absent"]) == 1
    told = capsys.readouterr()
    assert [re.split("  +", row)[:1] + re.split("  +", row)[2:7] for row in told.out.splitlines()] == [
        ["host", "runs", "threads", "release", "others", "service"],
        ["first", "tiny int8 on ai-edge-litert", str(first.outcome.threads), first.board.current, "-", "-"],
        ["bare", "nothing", "-", "-", "-", "-"],
        ["absent", "-", "-", "-", "-", "-"],
    ]
    assert told.err.startswith("[absent] error: no such name on the network: check the spelling, ")
