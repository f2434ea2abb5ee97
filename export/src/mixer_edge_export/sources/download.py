"""Download a file over https once; resume an interrupted download; rename it into the cache when it is complete."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from mixer_edge.cache import cache_folder
from mixer_edge.errors import ModelError
from mixer_edge.progress import progress
from mixer_edge_export.files import sync

TIMEOUT_VARIABLE = "MIXER_EDGE_TIMEOUT"
DEFAULT_TIMEOUT_S = 30.0
CHUNK_BYTES = 1 << 20


def timeout_s() -> float:
    """Return how many seconds to wait for data from a server: ``MIXER_EDGE_TIMEOUT``, or 30.

    Raises:
        ModelError: the variable is not a number above zero.
    """
    text = os.environ.get(TIMEOUT_VARIABLE) or str(DEFAULT_TIMEOUT_S)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86400:
        raise ModelError(f"{TIMEOUT_VARIABLE} is {text!r}; expected seconds above 0, e.g. 30")
    return seconds


@contextmanager
def network_errors(url: str) -> Iterator[None]:
    """Turn every network error in the block into a ModelError that names the address."""
    by_hand = "or download it in another way and use its path"
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        raise ModelError(
            f"{url}: the server answered {error.code} {error.reason}; check the address, {by_hand}"
        ) from None
    except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            reason = f"no data for {timeout_s():g} s, the limit that {TIMEOUT_VARIABLE} sets"
        raise ModelError(f"{url}: cannot be downloaded ({reason}); try again, {by_hand}") from None


def download(url: str) -> Path:
    """Return the file at a URL, from the cache if it was downloaded before.

    An interrupted download continues where it stopped, if the server can tell that its file has not changed.

    Raises:
        ModelError: the server refused, timed out or closed the connection; the message says which.
    """
    name = Path(urllib.parse.urlparse(url).path).name
    path = cache_folder("downloads") / hashlib.sha256(url.encode()).hexdigest()[:16] / name
    if path.is_file():
        return path
    path.parent.mkdir(exist_ok=True)
    partial, etag = path.with_name(f"{name}.partial"), path.with_name(f"{name}.etag")
    request = urllib.request.Request(url)
    if partial.is_file() and etag.is_file():
        request.add_header("Range", f"bytes={partial.stat().st_size}-")
        request.add_header("If-Range", etag.read_text())
    else:
        partial.unlink(missing_ok=True)
    with network_errors(url), urllib.request.urlopen(request, timeout=timeout_s()) as response:
        resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
        if response.headers["ETag"]:
            etag.write_text(response.headers["ETag"])
        with partial.open("ab" if resumed else "wb") as file:
            _copy(response, file, name)
    sync(partial)
    partial.replace(path)
    etag.unlink(missing_ok=True)
    return path


def _copy(response: http.client.HTTPResponse, file: IO[bytes], name: str) -> None:
    """Append the body to the file; raise if it is shorter than announced, because ``read(n)`` does not."""
    start, expected = file.tell(), response.headers["Content-Length"]
    chunks = iter(lambda: response.read(CHUNK_BYTES), b"")
    for chunk in progress(chunks, f"downloading {name}, MiB", -(-int(expected) // CHUNK_BYTES) if expected else None):
        file.write(chunk)
    received = file.tell() - start
    if expected and received != int(expected):
        raise ConnectionError(f"it ended after {received:,} of {int(expected):,} bytes")
