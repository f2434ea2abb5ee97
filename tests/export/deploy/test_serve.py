"""A board whose service serves: deploy, what comes after it, and what can go wrong."""

from __future__ import annotations

import json
import re
import socket
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from tests.export.deploy.conftest import Deployer, First
from tests.export.deploy.test_health import OK, answering
from tests.stand_in_boards import StandIn, copied

from mixer_edge.serve.token import read_token
from mixer_edge_export.cli import main
from mixer_edge_export.deploy import extras, health
from mixer_edge_export.deploy.layout import UNIT
from mixer_edge_export.deploy.service import Service
from mixer_edge_export.deploy.ssh import DeployError

SERVE = Service.parse("serve")
FAILED = '{"status": "ok", "source": {"name": "0", "status": "failed", "error": "no more frames", "again": true}}'

# What systemd does for a service of Type=notify, as far as deploy sees it.
SYSTEMCTL = f"""
stop() {{
    [ -e ~/pid ] || return 0
    kill "$(cat ~/pid)"
    while kill -0 "$(cat ~/pid)" 2>/dev/null; do sleep 0.05; done
    rm ~/pid
}}
case $* in
    *" restart "*)
        stop
        command=$(sed -n 's/^ExecStart=//p' ~/{UNIT} | sed "s|%h|$HOME|g")
        eval "exec $command" >~/log 2>&1 </dev/null &
        echo $! >~/pid
        until grep -q ^serving ~/log; do kill -0 "$(cat ~/pid)" || exit 1; sleep 0.05; done ;;
    *is-active*) [ -e ~/pid ] && kill -0 "$(cat ~/pid)" ;;
    *disable*) stop ;;
esac
"""


@pytest.fixture(scope="module")
def healthy() -> Iterator[int]:
    """A port of loopback that answers as a server without a source does; it is the port of the service."""
    with pytest.MonkeyPatch.context() as patch, answering(200, OK) as port:
        patch.setattr(health, "PORT", port)
        yield port


@pytest.fixture(scope="module")
def served(first: First, deployer: Deployer, healthy: int) -> StandIn:
    """A board with a release of before, and with the service; shared, so not to be changed."""
    board = copied(first.board, "served")
    board.program("systemctl", 'echo "$*" >> ~/systemctl.log')
    board.program("systemd-analyze", "exit 0")
    deployer(board, service=SERVE)
    (board.home / "systemctl.log").unlink()
    return board


@pytest.fixture
def serving(served: StandIn) -> StandIn:
    """A board of the test's own that has the service."""
    return copied(served, f"board-{len(list(served.home.parent.iterdir()))}")


@pytest.fixture
def free_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """A port that was free a moment ago; it is the port of the service."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    monkeypatch.setattr(health, "PORT", port)
    return port


def calls(board: StandIn) -> list[str]:
    """Return how systemctl was called, without the probe's question."""
    return [call for call in (board.home / "systemctl.log").read_text().splitlines() if " show" not in call]


def switched_back(deployer: Deployer, board: StandIn, **job: Any) -> str:
    """Return the message of a deploy that must fail after the switch; the board runs the same release."""
    before = (board.current, board.previous)
    with pytest.raises(DeployError) as caught:
        deployer(board, **job)
    assert (board.current, board.previous) == before
    return str(caught.value)


def requirements(board: StandIn) -> set[str]:
    """Return the names of the packages of the release in use."""
    text = (board.base / "current/requirements.txt").read_text()
    return {line.partition("==")[0] for line in text.splitlines()}


def status(board: StandIn, capsys: pytest.CaptureFixture[str]) -> tuple[str, dict[str, object], str]:
    """Return the cell of the service, the JSON, and what is said on standard error."""
    capsys.readouterr()
    assert main(["status", board.host]) == 0
    told = capsys.readouterr()
    head, row = told.out.splitlines()
    cell = row[head.index("service") : head.index("temperature")].rstrip()
    assert main(["status", board.host, "--json"]) == 0
    return cell, json.loads(capsys.readouterr().out), told.err


def test_the_token_is_made_once(serving: StandIn, deployer: Deployer) -> None:
    """The service could not make it, its home is read-only; nobody else can read it, and the runtime takes it."""
    path = serving.home / ".config/mixer-edge/token"
    before = path.read_text()
    assert re.fullmatch("[0-9A-Za-z]{30,44}", before)
    assert read_token(path) == (before, False)
    deployer(serving, service=SERVE)
    assert path.read_text() == before
    for folder in ("mixer-edge-taught", "mixer-edge-captured"):
        assert (serving.home / ".local/share" / folder).stat().st_mode & 0o777 == 0o700


def test_what_the_service_needs_is_made_again(serving: StandIn, deployer: Deployer, healthy: int) -> None:
    """Its user may have removed it: a later deploy that leaves the unit as it is makes it before the restart."""
    needs = [".config/mixer-edge/token", ".local/share/mixer-edge-captured", ".local/share/mixer-edge-taught"]
    for place in needs:
        (serving.home / place).rename(serving.home / place.replace("/", "-"))
    serving.program("systemctl", f"case $* in *try-restart*) cd && ls -d {' '.join(needs)} >found ;; esac")
    deployer(serving)
    assert (serving.home / "found").read_text().split() == needs


def test_a_board_serves(board: StandIn, deployer: Deployer, free_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The real command of the unit runs there, answers, is in the status, and ends with undeploy."""
    board.program("systemctl", SYSTEMCTL)
    board.program("systemd-analyze", "exit 0")
    try:
        _, said = deployer(board, service=SERVE)
        assert said[-2] == (
            "service",
            "mixer-edge.service started and serves: ok (no source); to open it: "
            f"ssh -L {free_port}:127.0.0.1:{free_port} {board.host}, then http://127.0.0.1:{free_port}/; "
            "to run it without a login: sudo loginctl enable-linger, there",
        )
        picture = (board.base / "current/smoke.png").read_bytes()
        with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/v1/classify?top_k=1", picture, timeout=60) as answer:
            assert len(json.load(answer)["categories"]) == 1
        cell, row, said_there = status(board, capsys)
        assert (cell, said_there) == (f"serve on port {free_port}: ok (no source)", "")
        assert (row["service"], row["health"], row["health_error"]) == ("serve", json.loads(OK), None)
        assert requirements(board) >= {"starlette", "uvicorn", "prometheus_client", "python_multipart", "anyio"}
    finally:
        assert main(["undeploy", board.host]) == 0
    assert not (board.home / "pid").exists()
    assert status(board, capsys)[0] == "-"


def test_a_plain_deploy_has_no_package_of_a_server(first: First) -> None:
    """It stays as small as it was."""
    assert requirements(first.board) == {"ai_edge_litert", "numpy", "pillow", "mixer_edge"}


def test_a_later_deploy_takes_the_packages_along(serving: StandIn, deployer: Deployer, healthy: int) -> None:
    """Without --service it says so; the unit runs the new variant, and is restarted and asked."""
    outcome, said = deployer(serving, variant="float16")
    assert ("plan", "mixer-edge.service there runs serve, so its packages are in this release too") in said
    assert "starlette" in requirements(serving)
    assert '"--variant" "float16" "--backend" "ai-edge-litert" "--port"' in (serving.home / UNIT).read_text()
    assert [path.name for path in (serving.home / UNIT).parent.iterdir()] == ["mixer-edge.service"]
    assert calls(serving) == [
        "--user daemon-reload",
        "--user try-restart mixer-edge.service",
        "--user --quiet is-active mixer-edge.service",
    ]
    assert said[-2] == (
        "service",
        f"mixer-edge.service serves: ok (no source); to open it: ssh -L {healthy}:127.0.0.1:{healthy} {serving.host}, "
        f"then http://127.0.0.1:{healthy}/",
    )
    (serving.home / "systemctl.log").unlink()
    assert main(["rollback", serving.host]) == 0
    assert serving.previous == outcome.release
    assert '"--variant" "int8"' in (serving.home / UNIT).read_text()
    assert calls(serving)[1:] == [
        "--user try-restart mixer-edge.service",
        "--user --quiet is-active mixer-edge.service",
    ]


def test_an_upgrade_that_does_not_answer(serving: StandIn, deployer: Deployer, free_port: int) -> None:
    """The board runs the same release as before, with the unit of before."""
    unit = (serving.home / UNIT).read_text().replace("int8", "float32")
    (serving.home / UNIT).write_text(unit)
    assert switched_back(deployer, serving) == (
        f"{serving.host}: mixer-edge.service runs, but no answer from /healthz on port {free_port} "
        f"(Connection refused): the release failed after the switch, the board runs {serving.current} again"
    )
    assert (serving.home / UNIT).read_text() == unit
    assert [path.name for path in (serving.home / UNIT).parent.iterdir()] == ["mixer-edge.service"]


def test_a_release_without_the_packages_is_not_gone_back_to(
    serving: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service would not start with it."""
    current, previous = serving.current, serving.previous
    assert main(["rollback", serving.host]) == 1
    assert capsys.readouterr().err == (
        f"[{serving.host}] error: release {previous} has no packages for mixer-edge.service there, which runs serve; "
        "deploy its bundle again, which takes them along\n"
    )
    assert (serving.current, serving.previous) == (current, previous)


def test_a_service_that_is_stopped_stays_so(
    serving: StandIn, deployer: Deployer, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not asked after an upgrade, and the status says that it does not run."""
    serving.program("systemctl", "case $* in *is-active*) exit 3 ;; esac")
    _, said = deployer(serving)
    assert [step for step, _ in said if step == "service"] == []
    cell, row, _ = status(serving, capsys)
    assert cell == f"serve on port {health.PORT}: not running"
    assert (row["health"], row["health_error"]) == (None, None)


@pytest.mark.parametrize(
    ("code", "body", "reason"),
    [
        (200, FAILED, "its source 0 has failed: no more frames"),
        (500, "", "/healthz on port PORT answers 500"),
        (
            200,
            "[]",
            "what answers on port PORT is not mixer-edge serve of this version (the document is list, expected an "
            "object)",
        ),
    ],
)
def test_the_status_of_a_service_that_fails(
    serving: StandIn,
    code: int,
    body: str,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The board has its row, and the reason is on standard error."""
    with answering(code, body) as port:
        monkeypatch.setattr(health, "PORT", port)
        cell, row, said = status(serving, capsys)
    error = f"mixer-edge.service runs, but {reason.replace('PORT', str(port))}"
    assert cell == f"serve on port {port}: failed"
    assert (row["health"], row["health_error"]) == (None, error)
    assert said == f"[{serving.host}] status   {error}\n"


def test_a_first_service_that_stops_at_once(board: StandIn, deployer: Deployer, healthy: int) -> None:
    """The board runs the same release, without a unit."""
    board.program("systemctl", "case $* in *is-active*) exit 3 ;; esac")
    board.program("systemd-analyze", "exit 0")
    assert switched_back(deployer, board, service=SERVE) == (
        f"{board.host}: mixer-edge.service has started and stopped again; more: journalctl --user -u mixer-edge, "
        f"there: the release failed after the switch, the board runs {board.current} again"
    )
    assert not (board.home / UNIT).exists()


def test_a_board_without_user_namespaces(serving: StandIn, deployer: Deployer) -> None:
    """The plan says what this means, and the unit has no line that would let it fail."""
    serving.program("unshare", "exit 1")
    _, said = deployer(serving, service=SERVE)
    assert ("plan", "no user namespaces there: the service sees and writes all files of the user") in said
    assert "PrivateUsers" not in (serving.home / UNIT).read_text()


def test_another_deploy_changes_the_service_meanwhile(board: StandIn, served: StandIn, deployer: Deployer) -> None:
    """The packages of this release would not do for it."""
    text = (served.home / UNIT).read_text()

    def write() -> None:
        (board.home / UNIT).parent.mkdir(parents=True)
        (board.home / UNIT).write_text(text)

    assert deployer.refused(board, variant="float16", at={"packages": write}) == (
        f"{board.host}: another deploy has changed mixer-edge.service there meanwhile; repeat"
    )


def test_the_extra_is_not_installed_here(board: StandIn, deployer: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to install, and nothing has changed."""
    monkeypatch.setattr(extras, "_installed", lambda name: None)
    assert deployer.refused(board, service=SERVE) == (
        "anyio is not installed on this machine: mixer-edge serve on a board takes the versions of this "
        "machine; pip install 'mixer-edge[serve]', then repeat"
    )


def test_the_packages_are_compiled(served: StandIn) -> None:
    """The service cannot write in its release, and would compile its modules at every start."""
    site = next((served.base / "current").glob("venv/lib/python*/site-packages"))
    assert [path.name for path in site.glob("mixer_edge/serve/__pycache__/server.*.pyc")] == [
        f"server.{sys.implementation.cache_tag}.pyc"
    ]
