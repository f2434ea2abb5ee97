"""Hosts, messages and calls of ssh, without a board: a fake ssh and a fake rsync are on the PATH."""

import os
import shutil
from pathlib import Path

import pytest

from mixer_edge_export.deploy import ssh
from mixer_edge_export.deploy.ssh import Connection, DeployError, RemoteError, check_host, connect, explain


def connection() -> Connection:
    """A connection that was never opened."""
    return Connection(host="pi@board", options=("-F", "my config"))


def fake(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str, script: str) -> None:
    """Put a program of that name first on the PATH."""
    (folder / program).write_text(f"#!{shutil.which('sh')}\n{script}\n")
    (folder / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.parametrize("host", ["raspberrypi.local", "pi@192.168.1.7", "PI_5", "a_b.c@x-y.example"])
def test_host_names_are_taken_as_they_are(host: str) -> None:
    """Valid ssh names are accepted."""
    assert check_host(host) == host


@pytest.mark.parametrize(
    "host",
    [
        *("-oProxyCommand=touch x", "-lroot", "pi@-x", "pi;reboot", "$(reboot)", "`x`", "a b", "a\nb", "", "@x", "pi@"),
        *("host:path", "pi@h:22", "ssh://h", "h|x", "h&", "h>f", "'h'", '"h"', "h*", "~h", "hé"),
    ],
)
def test_anything_else_is_refused(host: str) -> None:
    """Options, shell characters and addresses that need the configuration never reach ssh."""
    with pytest.raises(DeployError) as caught:
        check_host(host)
    assert str(caught.value) == (
        f"{host!r} is not a host: expected NAME or USER@NAME of letters, digits, '.', '_' and '-'; "
        "ports, IPv6 addresses and jump hosts belong under a name in ~/.ssh/config"
    )


@pytest.mark.parametrize(
    ("stderr", "message"),
    [
        (
            "@@@\nWARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!\nHost key verification failed.\n",
            "pi@board: its host key has changed: another machine has this name, or the system was "
            "installed again. Only if you know that it was: ssh-keygen -R board, then `ssh pi@board` once to see and "
            "accept the new key",
        ),
        (
            "Host key verification failed.\n",
            "pi@board: its host key is unknown: log in once with `ssh pi@board`, compare the fingerprint, then repeat",
        ),
        (
            "pi@board: Permission denied (publickey,password).\n",
            "pi@board: it does not accept your key: `ssh-copy-id pi@board`, or name the right key with --identity, "
            "then repeat",
        ),
        (
            "ssh: Could not resolve hostname board: Name or service not known\n",
            "pi@board: no such name on the network: check the spelling, try the board's IP address, or add a name "
            "to ~/.ssh/config",
        ),
        (
            "ssh: connect to host board port 22: Connection refused\n",
            "pi@board: it refuses ssh: enable it there (sudo raspi-config, Interface Options, SSH), then repeat",
        ),
        (
            "ssh: connect to host board port 22: Connection timed out\n",
            "pi@board: it does not answer: is it switched on and on this network?",
        ),
        (
            "client_loop: send disconnect: Broken pipe\n",
            "pi@board: the connection was lost (client_loop: send disconnect: Broken pipe); the board still runs the "
            "same release; repeat the command, it continues where it stopped",
        ),
        (
            "Control socket connect(/tmp/mixer-edge-x/s): Connection refused\n"
            "Connection closed by UNKNOWN port 65535\n",
            "pi@board: the connection was lost (Connection closed by UNKNOWN port 65535); the board still runs the "
            "same release; repeat the command, it continues where it stopped",
        ),
        (
            "",
            "pi@board: the connection was lost; the board still runs the same release; repeat the command, it "
            "continues where it stopped",
        ),
    ],
)
def test_what_ssh_prints_becomes_what_to_do(stderr: str, message: str) -> None:
    """Each failure of ssh has its own line."""
    assert explain("pi@board", stderr) == message


def test_command_is_one_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options, ``--``, host and one quoted command, which no shell can split."""
    fake(tmp_path, monkeypatch, "ssh", 'for word; do echo "[$word]"; done')
    assert connection().run("echo $1", "it's; $HOME").splitlines() == [
        *("[-F]", "[my config]", "[--]", "[pi@board]"),
        "[sh -c 'echo $1' mixer-edge-deploy 'it'\"'\"'s; $HOME']",
    ]


def test_failed_command_and_failed_connection_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """255 is a failure of ssh; any other code is the command's, with its error line."""
    fake(tmp_path, monkeypatch, "ssh", "echo told; echo first >&2; echo 'ERROR: second' >&2; echo third >&2; exit 3")
    with pytest.raises(RemoteError) as failed:
        connection().run("x")
    assert (str(failed.value), failed.value.code, failed.value.stdout) == ("pi@board: ERROR: second", 3, "told\n")
    assert not failed.value.disk_full
    fake(tmp_path, monkeypatch, "ssh", "echo 'Connection closed by remote host' >&2; exit 255")
    with pytest.raises(DeployError, match=r"^pi@board: the connection was lost \(Connection closed by remote host\); "):
        connection().run("x")


def test_a_command_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error after an hour, which is shorter here; one that may take any time is waited for."""
    monkeypatch.setattr(ssh, "ANSWER_S", 0.2)
    fake(tmp_path, monkeypatch, "ssh", "exec sleep 600")
    with pytest.raises(DeployError) as caught:
        connection().run("x")
    assert str(caught.value) == "pi@board: no answer in 0.2 s; the command may still run there, repeat later"
    fake(tmp_path, monkeypatch, "ssh", "sleep 0.4; echo done")
    assert connection().run("x", endless=True) == "done\n"


def test_rsync_goes_through_the_same_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rsync gets ssh with quoted options, and paths that cannot be options; the result is the number of bytes sent."""
    fake(tmp_path, monkeypatch, "rsync", f'printf "%s\\n" "$@" > {tmp_path}/seen; echo "Literal data: 1,234 bytes"')
    sent = connection().copy(tmp_path, "there", lock="a lock", excludes=["/venv"], link_dest=["../old"])
    assert sent == 1234
    seen = (tmp_path / "seen").read_text().splitlines()
    assert seen[seen.index("-e") + 1] == "ssh -F 'my config'"
    held = "flock --wait 30 9 || { echo mixer-edge-copy-locked >&2; exit 76; }"
    assert f"--rsync-path=exec 9>>'a lock'; {held}; rsync" in seen
    assert seen[-5:] == ["--exclude=/venv", "--link-dest=../old", "--", f"{tmp_path}/", "pi@board:there/"]


def test_full_disk_is_the_boards_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rsync's message about a full disk is shown, and is not reported as a lost connection."""
    line = 'rsync: [receiver] write failed on "x": No space left on device (28)'
    fake(tmp_path, monkeypatch, "rsync", f"echo '{line}' >&2; echo 'rsync error: error in file IO' >&2; exit 11")
    with pytest.raises(RemoteError) as caught:
        connection().copy(tmp_path, "there", lock="a lock", excludes=[], link_dest=[])
    assert str(caught.value) == f"pi@board: {line}"
    assert caught.value.disk_full


def test_many_files_are_one_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their paths are never arguments; what rsync cannot copy is returned, and a full disk here is an error."""
    line = 'rsync: [sender] link_stat "/a b" failed: No such file or directory (2)'
    script = (
        f'printf "%s\n" "$@" > {tmp_path}/seen; for word; do case $word in --files-from=*) cp "${{word#*=}}" '
        f"{tmp_path}/listed ;; esac; done; echo '{line}' >&2; exit 23"
    )
    fake(tmp_path, monkeypatch, "rsync", script)
    assert connection().fetch_all(["/a b", "/-c/\udcff.jpg"], tmp_path) == [line]
    assert (tmp_path / "listed").read_bytes() == b"a b\0-c/\xff.jpg\0"
    seen = (tmp_path / "seen").read_text().splitlines()
    assert seen[-3:] == ["--", "pi@board:/", f"{tmp_path}/"]
    assert {"--from0", "--no-relative", "--partial"} <= set(seen)
    full = 'rsync: [receiver] mkstemp "/x" failed: No space left on device (28)'
    fake(tmp_path, monkeypatch, "rsync", f"echo '{full}' >&2; exit 23")
    with pytest.raises(RemoteError) as caught:
        connection().fetch_all(["/a"], tmp_path)
    assert (str(caught.value), caught.value.disk_full) == (f"pi@board: {full}", True)


@pytest.mark.parametrize("code", [12, 76])
def test_lock_that_is_not_free_is_no_lost_connection(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rsync has two exit codes for an error on the board; the board's own message decides."""
    fake(tmp_path, monkeypatch, "rsync", f"echo mixer-edge-copy-locked >&2; echo 'rsync: closed' >&2; exit {code}")
    with pytest.raises(RemoteError) as caught:
        connection().copy(tmp_path, "there", lock="a lock", excludes=[], link_dest=[])
    assert (str(caught.value), caught.value.code) == ("pi@board: pi@board:there/ is locked", 76)


def test_what_is_no_text_is_printed_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invalid UTF-8 in a command's output is no error."""
    fake(tmp_path, monkeypatch, "ssh", r"printf 'a\377b'")
    assert connection().run("x") == r"a\xffb"


def test_machine_without_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ssh or rsync on the workstation, the message says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeployError, match=r"^no ssh on this machine: install OpenSSH, then repeat$"), connect("board"):
        pass
    with pytest.raises(DeployError, match=r"^no rsync on this machine: install rsync, then repeat$"):
        connection().copy(tmp_path, "there", lock="a lock", excludes=[], link_dest=[])


def test_a_login_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error after five minutes, which are shorter here."""
    monkeypatch.setattr(ssh, "LOGIN_S", 0.2)
    fake(tmp_path, monkeypatch, "ssh", "exec sleep 600")
    with pytest.raises(DeployError) as caught, connect("board"):
        pass
    assert str(caught.value) == "board: the login does not end in 0.2 s; repeat later, or restart it first"


def test_master_asks_nothing_and_checks_host_keys_as_the_user_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No questions, keep-alive, and no option about host keys, which the user configures."""
    fake(tmp_path, monkeypatch, "ssh", f'printf "%s\\n" "$@" > {tmp_path}/seen; exit 255')
    with pytest.raises(DeployError), connect("board", config=Path("c"), identity=Path("k")):
        pass
    seen = (tmp_path / "seen").read_text().splitlines()
    assert seen[:5] == ["-F", "c", "-i", "k", "-T"]
    assert seen[-3:] == ["--", "board", "exec cat >/dev/null"]
    assert {"BatchMode=yes", "ServerAliveInterval=15", "ControlMaster=yes"} <= set(seen)
    assert "hostkey" not in " ".join(seen).lower()
