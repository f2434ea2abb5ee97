"""Where the user's cache is."""

from pathlib import Path

import pytest

from mixer_edge.cache import cache_folder
from mixer_edge.errors import MixerEdgeError


def test_the_places_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MIXER_EDGE_CACHE, then XDG_CACHE_HOME, then the home folder; an empty variable counts as unset.

    So does XDG's if it is relative, as its specification says.
    """
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("MIXER_EDGE_CACHE", str(tmp_path / "own"))
    assert cache_folder("wheels") == tmp_path / "own/wheels"
    monkeypatch.setenv("MIXER_EDGE_CACHE", "~/own")
    assert cache_folder("wheels") == tmp_path / "home/own/wheels"
    monkeypatch.setenv("MIXER_EDGE_CACHE", "")
    assert cache_folder("wheels") == tmp_path / "xdg/mixer-edge/wheels"
    for relative in ("", "xdg", "~/xdg"):
        monkeypatch.setenv("XDG_CACHE_HOME", relative)
        assert cache_folder("wheels") == tmp_path / "home/.cache/mixer-edge/wheels"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder("wheels") == tmp_path / "home/.cache/mixer-edge/wheels"
    assert cache_folder("wheels").is_dir()


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container with any number for a user: the message says what to set."""
    for variable in ("HOME", "XDG_CACHE_HOME", "MIXER_EDGE_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    with pytest.raises(MixerEdgeError) as error:
        cache_folder("wheels")
    assert str(error.value) == "this user has no home folder; set HOME, or XDG_CACHE_HOME to a folder"


def test_a_place_that_cannot_be_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in its way is an error that names the folder and the variable."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("MIXER_EDGE_CACHE", str(tmp_path / "file"))
    with pytest.raises(MixerEdgeError) as error:
        cache_folder("wheels")
    assert str(error.value) == (
        f"{tmp_path}/file/wheels: cannot be created (Not a directory); set MIXER_EDGE_CACHE to a folder for the cache"
    )
