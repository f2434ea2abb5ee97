"""Run the evaluation on one board, with the release deployed there, and compare it with this machine's.

::

    ~/.local/share/mixer-edge/evaluations/
        lock                                            held by the running evaluation
        <pictures>/                                     named by the hash of all pictures
            pictures/<sha256 of the pixels>.<suffix>    copied once
            listing                                     the pictures that the journals belong to
            <release>.<variants>.journal                the board's answers so far

Pictures with equal pixels on this machine are copied once. They have no labels there: the board only computes the
answers, and this machine counts.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import mixer_edge
from mixer_edge.benchmark import BenchmarkReport
from mixer_edge.bundle import Bundle
from mixer_edge.evaluate import REFERENCE, SOURCE, Evaluation, record_dtype
from mixer_edge.release import RELEASE_NAME, Release
from mixer_edge.scores import score
from mixer_edge_export.comparison.types import BoardResult, BoardVariant
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.command import RUN
from mixer_edge_export.deploy.layout import BASE, Lock
from mixer_edge_export.deploy.probe import BoardFacts
from mixer_edge_export.deploy.ssh import DeployError, RemoteError

LATENCY_RUNS = 20
MAX_CHANGED_FILES = 5
"""Largest number of changed pictures in a result."""
_UNREADABLE = 1
"""Exit code of ``mixer-edge evaluate`` if it finished, but could not read every picture."""

# A process that still runs after a lost connection writes the same files and would slow down the benchmark.
LOCK = Lock(path=f"{BASE}/evaluations/lock", holder="an evaluation")

_PREPARE = 'mkdir -p evaluations/"$1"/pictures'

_BENCHMARK = f"""
release=$PWD/releases/$1
cd "$release"
{RUN}benchmark bundle smoke.png --json --threads 1 --runs {LATENCY_RUNS} \\
    --variant "$2" --backend "$3" </dev/null
"""

# A picture that was copied again has a new modification time, so its journal would be refused: remove the journals if
# the listing has changed.
_EVALUATE = f"""
release=$PWD/releases/$1
cd evaluations/"$2"
ls -l --full-time pictures > listing.new
cmp -s listing.new listing || rm -f *.journal
mv listing.new listing
cd ../..
{RUN}evaluate "releases/$1/bundle" "evaluations/$2/pictures" --json \\
    --variants "$3" --backend "$4" --journal "evaluations/$2/$1.$3.journal" </dev/null
"""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The bundle and pictures on which every board is compared."""

    bundle: Bundle
    local: Evaluation
    """The evaluation on this machine."""
    folder: Path
    """Every picture once, named by its pixels' sha256."""
    numbers: Mapping[bytes, int]
    """Each picture's number on a board, by its pixels' sha256."""
    key: str
    """The hash of all pictures: the name of their folder on a board."""

    @classmethod
    def staged(cls, bundle: Bundle, local: Evaluation, folder: Path) -> Subject:
        """Return a subject; its pictures are symbolic links in ``folder``."""
        paths: dict[bytes, Path] = {}
        for record in local.records:
            paths.setdefault(record["pixels"].tobytes(), local.dataset.images[int(record["picture"])].path)
        names = {pixels: f"{pixels.hex()}{path.suffix.lower()}" for pixels, path in paths.items()}
        for pixels, path in paths.items():
            (folder / names[pixels]).symlink_to(path.absolute())
        return cls(
            bundle=bundle,
            local=local,
            folder=folder,
            numbers={pixels: number for number, pixels in enumerate(sorted(paths))},
            key=hashlib.sha256("\n".join(sorted(names.values())).encode()).hexdigest()[:16],
        )

    def like(self, names: Sequence[str], records: NDArray[np.void]) -> Evaluation:
        """Return a board's records as an evaluation of this machine's pictures, without those it could not read."""
        rows = {int(number): row for row, number in enumerate(records["picture"])}
        numbers = [(record["picture"], self.numbers[record["pixels"].tobytes()]) for record in self.local.records]
        read = [(picture, rows[number]) for picture, number in numbers if number in rows]
        answers = records[[row for _, row in read]]  # a copy
        answers["picture"] = [picture for picture, _ in read]
        return replace(self.local, names=tuple(names), records=answers, unreadable=())


def compare_on_board(board: Board, subject: Subject) -> BoardResult:
    """Return one board's results, compared with this machine's.

    Raises:
        DeployError: another bundle is in use there, or a step failed.
    """
    facts = board.probe()
    run = _Run(board=board, subject=subject, name=facts.current, release=_deployed(facts, board.host, subject.bundle))
    board.step(_PREPARE, subject.key, lock=LOCK)
    board.report("copy", f"{len(subject.numbers)} pictures")
    sent = board.copy(subject.folder, f"evaluations/{subject.key}/pictures", lock=LOCK)
    board.report("copy", f"{sent:,} bytes sent" if sent else "nothing to send, they are there")
    board.report("measure", f"latencies on {run.release.backend}")
    figures, notes = run.figures()
    board.report("evaluate", f"{len(subject.numbers)} pictures")
    return run.result(run.evaluation(list(figures)), figures, notes)


def _deployed(facts: BoardFacts, host: str, bundle: Bundle) -> Release:
    """Return the release in use, after checking that it has this bundle and this version of the runtime.

    Raises:
        DeployError: it has not.
    """
    expected = (bundle.manifest.fingerprint(), mixer_edge.__version__)
    release = facts.release
    if release is not None and (release.bundle, release.mixer_edge) == expected:
        return release
    found = "nothing is deployed there"
    if facts.release_error:
        found = f"{RELEASE_NAME} of {facts.current} there cannot be read ({facts.release_error})"
    elif release is not None:
        found = f"{release.name} {release.bundle[:16]} (mixer-edge {release.mixer_edge}) is deployed there"
    raise DeployError(
        f"{host}: {found}, expected {bundle.manifest.name} {expected[0][:16]} (mixer-edge {expected[1]}); "
        f"deploy first: mixer-edge-export deploy {bundle.folder} {host}"
    )


@dataclass(frozen=True, kw_only=True)
class _Run:
    """The comparison on one board, with the release in use there."""

    board: Board
    subject: Subject
    name: str
    release: Release

    def figures(self) -> tuple[dict[str, BenchmarkReport], list[str]]:
        """Return the benchmark of each variant that runs there, and why the others do not run.

        Raises:
            RemoteError: the reference does not run.
        """
        figures, notes = {}, []
        for variant in (name for name in self.subject.local.names if name != SOURCE):
            reason = self.subject.bundle.manifest.variant(variant).refusal(self.release.backend)
            try:
                if reason is None:
                    printed = self.board.step(_BENCHMARK, self.name, variant, self.release.backend, lock=LOCK)
                    figures[variant] = self.board.read(BenchmarkReport, printed, self.release)
            except RemoteError as error:
                if variant == REFERENCE:
                    raise
                reason = str(error).removeprefix(f"{self.board.host}: ").removeprefix("error: ")
            if reason is not None:
                notes.append(f"{variant} does not run there: {reason.rstrip('.')}")
        return figures, notes

    def evaluation(self, names: Sequence[str]) -> Evaluation:
        """Return the answers of these variants to the pictures on the board."""
        variants, key, manifest = ",".join(names), self.subject.key, self.subject.bundle.manifest
        try:
            self.board.step(_EVALUATE, self.name, key, variants, self.release.backend, lock=LOCK, endless=True)
        except RemoteError as error:
            if error.code != _UNREADABLE or not error.stdout.startswith("{"):
                raise
        with tempfile.TemporaryDirectory(prefix="mixer-edge-journal-") as temporary:
            journal = Path(temporary) / "journal"
            self.board.connection.fetch(f"{BASE}/evaluations/{key}/{self.name}.{variants}.journal", journal)
            _, _, content = journal.read_bytes().partition(b"\n")
        records = np.frombuffer(content, record_dtype(names, manifest.architecture["num_classes"] or 0))
        return self.subject.like(names, records)

    def result(self, remote: Evaluation, figures: Mapping[str, BenchmarkReport], notes: Sequence[str]) -> BoardResult:
        """Return the board's answers, compared with this machine's."""
        local, label = self.subject.local, self.subject.bundle.label
        both = local.records[np.isin(local.records["picture"], remote.records["picture"])]
        unread, decoded = len(local.records) - len(both), int((both["pixels"] != remote.records["pixels"]).sum())
        counts = {
            "pictures that cannot be read there and do not count": unread,
            "pictures that are decoded to other pixels there": decoded,
        }
        variants = []
        for name in remote.names:
            changed = both[both[name]["classes"][:, 0] != remote.predictions(name)]["picture"]
            variants.append(
                BoardVariant(
                    name=name,
                    changed=len(changed),
                    changed_files=tuple(local.dataset.name(int(picture)) for picture in changed[:MAX_CHANGED_FILES]),
                    top1=score(remote, name, label).top1,
                    latency_ms=figures[name].rows[0].network.median_ms,
                )
            )
        last = figures[remote.names[-1]]
        return BoardResult(
            host=self.board.host,
            board=last.board.name,
            backend=self.release.backend,
            temperature_celsius=last.temperature_celsius.after,
            pictures=len(both),
            variants=tuple(variants),
            notes=(*notes, *(f"{what}: {count}" for what, count in counts.items() if count)),
            error=None,
        )
