"""The file of the secret."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mixer_edge.errors import MixerEdgeError
from mixer_edge.serve.token import default_path, read_token


def _message(path: Path) -> str:
    with pytest.raises(MixerEdgeError) as caught:
        read_token(path)
    return str(caught.value)


def test_a_token_is_made_once(tmp_path: Path) -> None:
    """The first start makes a secret of 43 characters that only its user reads; the next ones read it."""
    path = tmp_path / "new" / "token"
    token, new = read_token(path)
    assert new
    assert len(token) == 43
    assert path.read_text() == f"{token}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert read_token(path) == (token, False)
    assert list(path.parent.iterdir()) == [path]


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The message says how to mend it."""
    path = tmp_path / "token"
    path.write_text("a" * 43)
    path.chmod(0o644)
    assert _message(path) == f"{path}: others can read the token (mode 044); chmod 600 {path}"


@pytest.mark.parametrize("content", [b"", b"short", b"nineteen-characters\n", b"with spaces in a secret", b"\xff" * 30])
def test_a_bad_token_is_refused(tmp_path: Path, content: bytes) -> None:
    """A secret that can be guessed, or that no header can carry, is none."""
    path = tmp_path / "token"
    path.write_bytes(content)
    path.chmod(0o600)
    expected = {
        True: f"{path}: not a token: expected 20 letters and digits or more; remove it and a new one is made",
        False: f"{path}: no token can be read or written there (not text)",
    }
    assert _message(path) == expected[content.isascii()]


def test_a_folder_is_no_token(tmp_path: Path) -> None:
    """What cannot be read is said with its reason."""
    tmp_path.chmod(0o700)
    assert _message(tmp_path) == f"{tmp_path}: no token can be read or written there (Is a directory)"


def test_the_token_is_in_the_users_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_CONFIG_HOME decides, else ~/.config."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_path() == tmp_path / "mixer-edge" / "token"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_path() == tmp_path / ".config" / "mixer-edge" / "token"
