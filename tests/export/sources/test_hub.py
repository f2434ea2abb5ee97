"""Handles of TensorFlow Hub and Kaggle: the real tensorflow_hub against a loopback server, kagglehub as a fake."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.export.conftest import TWINS

from mixer_edge.errors import ModelError
from mixer_edge_export.sources import load_source


def test_a_handle_is_fetched_once_and_then_read_from_the_cache(server: Any, cache: Path, twin_archive: bytes) -> None:
    """The module comes through the Hub's redirect with its weights in order; with the server gone it is still there."""
    handle = server.serve_module("mixer", twin_archive)
    source = load_source(handle)
    assert [path for path, _ in server.requests] == ["/mixer/1?tf-hub-format=compressed", "/mixer.tar.gz"]
    assert (source.origin.name, source.origin.kind, source.origin.location) == ("mixer", "hub", handle)
    assert (source.saved_model / "saved_model.pb").is_file()
    with np.load(TWINS / "mixer_12_blocks" / "weights.npz") as expected:
        assert source.weights is not None
        assert sorted(source.weights.arrays) == sorted(expected.files)
        for key, array in source.weights.arrays.items():
            np.testing.assert_array_equal(array, expected[key], err_msg=key)
    server.close()
    again = load_source(handle)
    assert (again.origin.sha256, again.fingerprint()) == (source.origin.sha256, source.fingerprint())
    assert (cache / "hub").is_dir()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no archive", "cannot be downloaded .*does not appear to be a valid module"),
        ("truncated", "cannot be downloaded .*does not appear to be a valid module"),
        ("damaged", "the download is damaged .*saved_model.pb cannot be read"),
        ("climbs out", r"the download is not a SavedModel archive \(Relative path '../evil' is invalid.\); try again"),
        ("link", "the download is not a SavedModel archive .*Unexpected object type"),
        ("no model", "the download is damaged .*no saved_model.pb in it or below"),
        ("graph alone", "the download is damaged .*its variables are missing or damaged"),
    ],
)
def test_a_bad_archive_is_an_error_and_leaves_nothing_behind(
    server: Any, cache: Path, twin_archive: bytes, bad_archives: dict[str, bytes], fault: str, message: str
) -> None:
    """The message names the handle and the fault; the next try, with the right archive, succeeds."""
    handle = server.serve_module("mixer", bad_archives[fault])
    with pytest.raises(ModelError, match=message) as raised:
        load_source(handle)
    assert str(raised.value).startswith(f"{handle}: ")
    assert not [path for path in (cache / "hub").iterdir() if path.is_dir()]
    server.serve_module("mixer", twin_archive)
    assert load_source(handle).num_classes == 10


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusal_names_the_status(server: Any, status: int) -> None:
    """A server's refusal is told with its number, and what to do."""
    handle = server.serve_module("mixer", b"")
    server.replies["/mixer/1?tf-hub-format=compressed"].status = status
    reason = {403: "Forbidden", 404: "Not Found", 500: "Internal Server Error"}[status]
    with pytest.raises(ModelError) as raised:
        load_source(handle)
    assert str(raised.value) == (
        f"{handle}: the server answered {status} {reason}; check the address, "
        "or download it in another way and use its path"
    )


def test_a_stalled_server_is_given_up(server: Any, twin_archive: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that falls silent ends after the time that the variable sets."""
    monkeypatch.setenv("MIXER_EDGE_TIMEOUT", "1")
    handle = server.serve_module("mixer", twin_archive)
    server.replies["/mixer.tar.gz"].sent, server.replies["/mixer.tar.gz"].stalls = 1000, True
    with pytest.raises(ModelError, match=r"no data for 1 s, the limit that MIXER_EDGE_TIMEOUT sets\); try again"):
        load_source(handle)


def test_no_server_at_all_is_told(server: Any) -> None:
    """An address where nobody listens is an error that names it."""
    handle = server.serve_module("mixer", b"")
    server.close()
    with pytest.raises(ModelError, match="cannot be downloaded .*Connection refused"):
        load_source(handle)


class FakeKagglehub(SimpleNamespace):
    """Stands for kagglehub: its one function that is used gives a folder or raises."""

    def __init__(self, answer: Path | Exception) -> None:
        """Keep the answer; ``handles`` collects what was asked for."""
        super().__init__()
        self.answer, self.handles = answer, list[str]()

    def model_download(self, handle: str) -> str:
        """Return the folder's path, as kagglehub does."""
        self.handles.append(handle)
        if isinstance(self.answer, Exception):
            raise self.answer
        return str(self.answer)


HANDLE = "spsayakpaul/mlp-mixer/tensorFlow2/mixer-b32-sam-classification/1"


def test_a_kaggle_handle_goes_through_kagglehub(twin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handle behind the prefix is handed on as it is, and the folder that comes back is read."""
    fake = FakeKagglehub(twin)
    monkeypatch.setitem(sys.modules, "kagglehub", fake)
    source = load_source(f"kaggle:{HANDLE}")
    assert fake.handles == [HANDLE]
    assert (source.origin.name, source.origin.kind, source.origin.location) == (
        "mixer-b32-sam-classification",
        "kaggle",
        f"kaggle:{HANDLE}",
    )


def test_kagglehub_errors_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without kagglehub the message says what to install; whatever it raises is named."""
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(ModelError, match=r"needs kagglehub; pip install 'mixer-edge-export\[kaggle\]'"):
        load_source(f"kaggle:{HANDLE}")
    monkeypatch.setitem(sys.modules, "kagglehub", FakeKagglehub(RuntimeError("no such model")))
    with pytest.raises(ModelError) as raised:
        load_source(f"kaggle:{HANDLE}")
    assert str(raised.value) == f"{HANDLE}: kagglehub could not download it (no such model)"
