"""What a worker must show before it gets a picture: versions, golden vectors, and the records of some pictures."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import mixer_edge
from mixer_edge.cluster import content, worker
from mixer_edge.cluster.worker import Answer, Picture
from mixer_edge.engine import Records, Work
from mixer_edge.errors import MixerEdgeError
from mixer_edge.manifest import file_sha256
from mixer_edge_export.cluster.connection import Connection, SchedulerGoneError, WorkerGoneError

PIECE = 16 << 20
"""Files are sent in pieces of so many bytes."""


class RefusedError(MixerEdgeError):
    """A worker must not get pictures."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A work, and what this machine says to it."""

    work: Work
    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    files: Mapping[str, str]
    """The sha256 of each file, by its name."""
    versions: Mapping[str, str]
    proof: Mapping[str, str]
    """What this machine makes of known inputs, by the name of a file or variant."""
    probes: tuple[Picture, ...]
    expected: Mapping[int, Records]
    """This machine's records of the probes that can be read, by their numbers."""

    @classmethod
    def of(cls, work: Work, probes: Sequence[Picture], expected: Mapping[int, Records]) -> Job:
        """Return the job, after this machine has computed the golden vectors.

        Raises:
            MixerEdgeError: they are not within the tolerances on this machine.
        """
        return cls(
            work=work,
            files={name: file_sha256(work.folder / name) for name in work.files},
            versions=worker.versions(work.backend),
            proof=work.prove(),
            probes=tuple(picture for picture in probes if picture.number in expected),
            expected=expected,
        )

    def prepare(self, connection: Connection, address: str, gone: Callable[[], bool]) -> str | None:
        """Prepare a worker for the job; return what is different there without consequences, or None.

        Raises:
            RefusedError: it would not give this machine's records; the message has its address.
            WorkerGoneError: it ended meanwhile.
            SchedulerGoneError: the scheduler ended meanwhile.
        """
        try:
            note = self._compare_versions(connection.call(address, worker.versions, self.work.backend, gone=gone))
            if not connection.call(address, worker.has, self.files, gone=gone):
                self._send(connection, address, gone)
            connection.tell(address, worker.hold, self.name, pickle.dumps(self.work))
            proof = connection.call(address, worker.prepare, self.name, self.files, gone=gone)
            for name, here in self.proof.items():
                if proof[name] != here:
                    raise RefusedError(f"{name} is {proof[name]} there, and {here} here, for the same inputs")
            self._compare(connection.call(address, worker.run, self.name, 0, self.probes, gone=gone))
        except (WorkerGoneError, SchedulerGoneError):
            raise
        except ImportError as error:
            raise RefusedError(
                f"{address}: cannot import what it needs ({error}); install mixer-edge {mixer_edge.__version__} there, "
                "with an interpreter"
            ) from None
        except MixerEdgeError as error:
            raise RefusedError(f"{address}: {error}") from None
        except Exception as error:  # anything that a worker or the connection to it raises
            if gone():
                raise WorkerGoneError(f"{address}: ended") from None
            raise RefusedError(f"{address}: {type(error).__name__}: {error}") from None
        return None if note is None else f"{address}: {note}; the golden vectors and the first records are equal"

    def _compare_versions(self, found: Mapping[str, str]) -> str | None:
        """Return another version of Python, which is allowed, or None."""
        other = {
            tool: f"{tool} {found.get(tool, 'missing')} there, {self.versions.get(tool, 'missing')} here"
            for tool in [*self.versions, *found]
            if found.get(tool) != self.versions.get(tool)
        }
        python = other.pop("python", None)
        if other:
            raise RefusedError(f"{', '.join(other.values())}; install the same versions")
        return python

    def _send(self, connection: Connection, address: str, gone: Callable[[], bool]) -> None:
        key, sender = content.content_key(self.files), uuid.uuid4().hex
        for name in self.files:
            offset = 0
            with (self.work.folder / name).open("rb") as file:
                while (piece := file.read(PIECE)) or not offset:
                    connection.tell(address, content.receive, key, sender, name, offset, piece)
                    offset += len(piece)
                    if not piece:
                        break
        connection.call(address, content.finish, key, sender, self.files, gone=gone)

    def _compare(self, answer: Answer) -> None:
        if answer.failed:
            raise RefusedError(
                f"cannot see the pictures ({answer.failed[0][1]}); mount them there, or name their place with "
                "--data-there"
            )
        places = {picture.number: picture.place for picture in self.probes}
        for record in answer.records if answer.records is not None else ():
            expected, place = self.expected[int(record["picture"])][0], places[int(record["picture"])]
            if record["pixels"].tobytes() != expected["pixels"].tobytes():
                raise RefusedError(f"{place} has other pixels there than here")
            if record.tobytes() != expected.tobytes():
                raise RefusedError(f"{place} gets another record there than here")
