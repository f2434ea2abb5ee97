"""SavedModels by TensorFlow Hub or Kaggle handle, downloaded with the libraries of these services."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tarfile
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

from mixer_edge.cache import cache_folder
from mixer_edge.errors import ModelError
from mixer_edge_export.files import discarded_on_error
from mixer_edge_export.network.convert import quiet_tensorflow
from mixer_edge_export.sources.archive import find_saved_model
from mixer_edge_export.sources.download import network_errors, timeout_s
from mixer_edge_export.sources.saved_model import check_complete

HUB_CACHE_VARIABLE, HUB_PROGRESS_VARIABLE = "TFHUB_CACHE_DIR", "TFHUB_DOWNLOAD_PROGRESS"


def resolve_hub(handle: str) -> Path:
    """Return the SavedModel folder of a Hub handle, ``https://...``; one downloaded before needs no network.

    Raises:
        ModelError: the server refused, timed out or closed the connection, or did not send a complete SavedModel.
    """
    with quiet_tensorflow(), warnings.catch_warnings():
        import tensorflow as tf

        warnings.simplefilter("ignore")  # tensorflow_hub 0.16 imports pkg_resources, which warns that it is deprecated
        import tensorflow_hub as hub
    with network_errors(handle), _hub_settings():
        try:
            folder = Path(hub.resolve(handle))
        except (ValueError, EOFError, tarfile.TarError, zlib.error, tf.errors.OpError) as error:
            raise ModelError(f"{handle}: the download is not a SavedModel archive ({error}); try again") from None
    return _checked(folder, handle)


def resolve_kaggle(handle: str) -> Path:
    """Return the SavedModel folder of a Kaggle handle, ``owner/model/framework/variation/version``.

    Raises:
        ModelError: kagglehub is not installed or failed, or the download is not a complete SavedModel.
    """
    try:
        import kagglehub
    except ImportError:
        raise ModelError(f"{handle}: needs kagglehub; pip install 'mixer-edge-export[kaggle]'") from None
    try:
        with contextlib.redirect_stdout(sys.stderr):
            folder = Path(kagglehub.model_download(handle))
    except Exception as error:  # its own errors, requests' and those of the file system have no common base
        raise ModelError(f"{handle}: kagglehub could not download it ({error})") from None
    return _checked(folder, handle)


def _checked(folder: Path, handle: str) -> Path:
    # tensorflow_hub caches an archive that ended between two members, and checks no checksum
    with discarded_on_error(folder):
        try:
            saved_model = find_saved_model(folder)
            check_complete(saved_model)
        except ModelError as error:
            raise ModelError(
                f"{handle}: the download is damaged ({error}); removed from the cache, try again"
            ) from None
    return saved_model


@contextlib.contextmanager
def _hub_settings() -> Iterator[None]:
    """Set tensorflow_hub's cache, timeout and (on a terminal) progress line; its functions have no such arguments."""
    settings = {HUB_CACHE_VARIABLE: os.environ.get(HUB_CACHE_VARIABLE) or str(cache_folder("hub"))}
    if sys.stderr.isatty():
        settings[HUB_PROGRESS_VARIABLE] = "1"
    before = {name: os.environ.get(name) for name in settings}
    timeout_before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(timeout_s())
    os.environ.update(settings)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(timeout_before)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
