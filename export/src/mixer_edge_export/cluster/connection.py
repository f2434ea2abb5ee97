"""A connection to a scheduler of Dask; only this module imports Dask."""

from __future__ import annotations

import json
import logging
import pickle
import uuid
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mixer_edge.errors import MixerEdgeError

CONNECT_S = 5
GATHER_S = 10
"""After this time, answers count as lost if their worker is gone."""
INSTALL = "pip install 'mixer-edge-export[cluster]'"


class SchedulerGoneError(MixerEdgeError):
    """The connection to the scheduler is lost."""


class WorkerGoneError(MixerEdgeError):
    """A worker ended before it answered."""


class Connection:
    """A client of a scheduler."""

    def __init__(self, cluster: str) -> None:
        """Connect to the scheduler at an address, or to that of a scheduler file.

        Raises:
            MixerEdgeError: no scheduler answers, the file cannot be read, or Dask is not installed.
        """
        try:
            import distributed
            from distributed.versions import VersionMismatchWarning
        except ModuleNotFoundError as error:
            raise MixerEdgeError(f"--cluster needs {error.name}: {INSTALL}") from None
        # what is wrong is said in one line, by us: versions are compared before a worker gets anything
        for name in list(logging.root.manager.loggerDict):
            if name.split(".")[0] in ("distributed", "tornado"):
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        warnings.filterwarnings("ignore", category=VersionMismatchWarning)
        self.address = cluster if "://" in cluster else _address_in(Path(cluster))
        if self.address.startswith("tls://"):
            security = distributed.Security()
            if security.get_connection_args("client").get("ssl_context") is None:
                raise MixerEdgeError(
                    f"{self.address}: needs certificates; name them in Dask's configuration: distributed.comm.tls"
                )
        try:
            self._client: Any = distributed.Client(
                self.address, timeout=CONNECT_S, set_as_default=False, name="mixer-edge-export"
            )
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise MixerEdgeError(
                f"{self.address}: no scheduler answers ({_one_line(error)}); start one with: dask scheduler"
            ) from None

    @property
    def dashboard(self) -> str:
        """The address of Dask's own page."""
        return str(self._client.dashboard_link)

    def close(self) -> None:
        """Disconnect; the scheduler forgets what was not answered."""
        self._client.close(timeout=2)

    def workers(self) -> dict[str, int]:
        """Return the number of threads of each worker, by its address.

        Raises:
            SchedulerGoneError: the scheduler does not answer.
        """
        return dict(self._guarded(self._client.nthreads))

    def call(self, worker: str, function: Callable[..., Any], *arguments: Any, gone: Callable[[], bool]) -> Any:
        """Return the result of a function that one worker runs as a task.

        Raises:
            WorkerGoneError: ``gone`` says that it is not there any more.
            Exception: what the function raised.
        """
        future = self._submit(worker, function, *arguments)
        while True:
            try:
                return future.result(timeout=0.5)
            except TimeoutError:
                if future.done():
                    raise  # the function's own
                if gone():
                    raise WorkerGoneError(f"{worker}: ended") from None

    def tell(self, worker: str, function: Callable[..., None], *arguments: Any) -> None:
        """Run a short function in a worker's event loop; large arguments are no burden for the scheduler.

        Raises:
            Exception: what the function raised, or why the worker cannot be reached.
        """
        self._client.run(function, *arguments, workers=[worker])

    def submit(self, worker: str, done: Callable[[Any], None], function: Callable[..., Any], *arguments: Any) -> Any:
        """Return a future of a task for one worker; ``done`` gets the future in another thread."""
        future = self._submit(worker, function, *arguments)
        future.add_done_callback(done)
        return future

    def collect(self, futures: Sequence[Any]) -> dict[str, Any]:
        """Return the results of finished futures by their keys, without those that are lost.

        Raises:
            SchedulerGoneError: the scheduler does not answer.
        """
        if not futures:
            return {}

        async def gather() -> Any:
            by_key = {future.key: future for future in futures}
            return await self._client.gather(by_key, errors="skip", asynchronous=True)

        try:
            found = self._guarded(lambda: self._client.sync(gather, callback_timeout=GATHER_S))
        except TimeoutError:
            return {}
        return {key: value for key, value in found.items() if value is not None}

    def error(self, future: Any) -> BaseException | None:
        """Return what a task raised; None if it was only lost, with its worker."""
        if future.status != "error":
            return None
        error: BaseException = future.exception(timeout=GATHER_S)
        return None if type(error).__name__ == "KilledWorker" else error

    def cancel(self, futures: Sequence[Any]) -> None:
        """Cancel tasks that are not needed any more."""
        if futures and self._client.status == "running":
            self._client.cancel(list(futures), force=True)

    def _submit(self, worker: str, function: Callable[..., Any], *arguments: Any) -> Any:
        # the scheduler unpickles what it passes on, but needs no mixer-edge: for it this is a text
        call = pickle.dumps(_Call(function, arguments))
        key = f"{function.__name__}-{uuid.uuid4().hex}"
        return self._client.submit(pickle.loads, call, key=key, workers=[worker], pure=False, retries=0)

    def _guarded(self, function: Callable[[], Any]) -> Any:
        try:
            if self._client.status == "running":
                return function()
        except TimeoutError:
            if self._client.status == "running":
                raise
        except OSError:
            pass
        raise SchedulerGoneError(
            f"{self.address}: the scheduler is gone; what is done is kept; start a scheduler and workers, and repeat "
            "the command: it continues"
        )


class _Call:
    """A call; to unpickle it is to make it."""

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.function, self.arguments


def _address_in(path: Path) -> str:
    try:
        return str(json.loads(path.read_bytes())["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"not written by a scheduler: {error!r}"
        raise MixerEdgeError(
            f"{path}: cannot be read ({reason}); expected an address like tcp://scheduler:8786, or the file of "
            "dask scheduler --scheduler-file"
        ) from None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
