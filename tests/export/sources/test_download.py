"""Downloads over a real connection to a loopback server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.export.conftest import TWINS

from mixer_edge.errors import ModelError
from mixer_edge.manifest import file_sha256
from mixer_edge_export.sources import load_source
from mixer_edge_export.sources.download import download, timeout_s

BODY = np.random.default_rng(0).bytes(3_000_000)


@pytest.fixture
def url(server: Any) -> str:
    """The address of a file of 3,000,000 bytes whose version the server tells."""
    server.replies["/data.bin"] = server_reply(server, BODY)
    return f"{server.url}/data.bin"


def server_reply(server: Any, body: bytes) -> Any:
    """Return a reply with a body and its ETag."""
    server.serve_module("unused", b"")
    reply = server.replies["/unused.tar.gz"]
    reply.body, reply.headers = body, {"ETag": f'"{hash(body)}"'}
    return reply


def partials(cache: Path) -> list[int]:
    """Return the sizes of the unfinished downloads."""
    return [path.stat().st_size for path in cache.rglob("*.partial")]


def test_a_file_is_fetched_once(server: Any, url: str, cache: Path) -> None:
    """The bytes are the server's, nothing unfinished is left, and the second call asks nobody."""
    path = download(url)
    assert path.read_bytes() == BODY
    assert path.name == "data.bin"
    assert partials(cache) == []
    server.close()
    assert download(url) == path


def test_a_broken_download_resumes_where_it_stopped(server: Any, url: str, cache: Path) -> None:
    """What came is kept and only the rest is asked for; the file appears when it is whole."""
    server.replies["/data.bin"].sent = 1_234_567
    with pytest.raises(ModelError) as raised:
        download(url)
    assert str(raised.value) == (
        f"{url}: cannot be downloaded (it ended after 1,234,567 of 3,000,000 bytes); try again, "
        "or download it in another way and use its path"
    )
    assert partials(cache) == [1_234_567]
    server.replies["/data.bin"].sent = None
    assert download(url).read_bytes() == BODY
    assert server.requests == [("/data.bin", None), ("/data.bin", "bytes=1234567-")]


def test_a_stalled_download_is_given_up_and_resumed(
    server: Any, url: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that falls silent costs the time that the variable sets; what came before is not lost."""
    monkeypatch.setenv("MIXER_EDGE_TIMEOUT", "1")
    reply = server.replies["/data.bin"]
    reply.sent, reply.stalls = 2_500_000, True
    with pytest.raises(ModelError, match="no data for 1 s, the limit that MIXER_EDGE_TIMEOUT sets"):
        download(url)
    monkeypatch.setenv("MIXER_EDGE_TIMEOUT", "60")
    kept = partials(cache)[0]
    assert 0 < kept <= 2_500_000
    reply.sent, reply.stalls = None, False
    assert download(url).read_bytes() == BODY
    assert server.requests[-1] == ("/data.bin", f"bytes={kept}-")


def test_a_file_that_changed_meanwhile_is_fetched_from_the_start(server: Any, url: str) -> None:
    """Two halves of different files are never joined."""
    server.replies["/data.bin"].sent = 1_000_000
    with pytest.raises(ModelError):
        download(url)
    server.replies["/data.bin"] = server_reply(server, BODY[::-1])
    assert download(url).read_bytes() == BODY[::-1]


def test_without_a_version_a_download_starts_again(server: Any, url: str) -> None:
    """A server that does not tell its file's version is asked for the whole of it."""
    server.replies["/data.bin"].headers = {}
    server.replies["/data.bin"].sent = 1_000_000
    with pytest.raises(ModelError):
        download(url)
    server.replies["/data.bin"].sent = None
    assert download(url).read_bytes() == BODY
    assert [ranged for _, ranged in server.requests] == [None, None]


def test_a_missing_file_is_told(server: Any, cache: Path) -> None:
    """The status is named and nothing is kept."""
    with pytest.raises(ModelError, match="the server answered 404 Not Found; check the address"):
        download(f"{server.url}/nothing.npz")
    assert [path for path in cache.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("text", ["soon", "0", "-3", "nan"])
def test_a_wrong_timeout_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable must hold seconds above zero."""
    monkeypatch.setenv("MIXER_EDGE_TIMEOUT", text)
    with pytest.raises(ModelError) as raised:
        timeout_s()
    assert str(raised.value) == f"MIXER_EDGE_TIMEOUT is {text!r}; expected seconds above 0, e.g. 30"


def test_a_checkpoint_comes_by_its_address(server: Any) -> None:
    """An .npz address gives its weights and the file's sha256."""
    path = TWINS / "mixer_12_blocks" / "weights.npz"
    server.replies["/models/Mixer-T_16.npz"] = server_reply(server, path.read_bytes())
    source = load_source(f"{server.url}/models/Mixer-T_16.npz")
    assert (source.origin.name, source.origin.kind, source.saved_model) == ("Mixer-T_16", "npz", None)
    assert (source.origin.location, source.origin.sha256) == (f"{server.url}/models/Mixer-T_16.npz", file_sha256(path))


def test_a_page_instead_of_a_checkpoint_is_not_kept(server: Any, cache: Path) -> None:
    """What cannot be read as a checkpoint leaves the cache again, so that the next try fetches it anew."""
    server.replies["/weights.npz"] = server_reply(server, b"<html>sign in</html>")
    url = f"{server.url}/weights.npz"
    with pytest.raises(ModelError, match="cannot be read as .npz"):
        load_source(url)
    assert not list(cache.rglob("weights.npz"))
    good = (TWINS / "mixer_12_blocks" / "weights.npz").read_bytes()
    server.replies["/weights.npz"] = server_reply(server, good)
    assert load_source(url).num_classes == 10


def test_an_archive_comes_by_its_address(server: Any, twin_archive: bytes) -> None:
    """A .tar.gz address gives the SavedModel in it."""
    server.replies["/mixer.tar.gz"] = server_reply(server, twin_archive)
    source = load_source(f"{server.url}/mixer.tar.gz")
    assert (source.origin.name, source.origin.kind) == ("mixer", "saved_model")
    assert (source.saved_model / "saved_model.pb").is_file()
    assert source.origin.location == f"{server.url}/mixer.tar.gz"
