"""The same evaluation on boards, by what is deployed there, beside the one of this machine.

::

    ~/.local/share/mixer-edge/evaluations/
        lock                                            held by what is at work there
        <pictures>/                                     the name of the folder stands for all of them
            pictures/<sha256 of the pixels>.<ending>    copied once
            listing                                     of the pictures that the journals are about
            <release>.<variants>.journal                what the board has answered so far

Pictures that this machine reads as the same go there once. They have no classes there: a board answers, this machine
counts.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mixer_edge
from mixer_edge.bundle import Bundle
from mixer_edge.errors import MixerEdgeError
from mixer_edge.evaluate import REFERENCE, SOURCE, Evaluation, record_dtype
from mixer_edge.scores import score
from mixer_edge_export.compare.types import BoardResult, BoardVariant
from mixer_edge_export.deploy.fleet import for_each
from mixer_edge_export.deploy.probe import BASE, BoardFacts, probe
from mixer_edge_export.deploy.ssh import Connection, DeployError, RemoteError

LATENCY_RUNS = 20
SHOWN = 5
_UNREADABLE = 1
"""Exit code of ``mixer-edge evaluate`` when it evaluated, but could not read every picture."""

_LOCK = f"{BASE}/evaluations/lock"

# What a lost connection or client left running is waited for: it writes the same files, and would slow the benchmark.
_LOCKED = f"""
cd && mkdir -p {BASE}/evaluations && exec 9>>{_LOCK} && flock 9 && cd {BASE} || exit
"""

_PREPARE = _LOCKED + 'mkdir -p evaluations/"$1"/pictures'

_BENCHMARK = f"""{_LOCKED}
cd releases/"$1" || exit
exec venv/bin/python -I -m mixer_edge benchmark bundle smoke.png --json --threads 1 --runs {LATENCY_RUNS} \\
    --variant "$2" --backend "$3" </dev/null
"""

# A picture that came anew is another file to a journal, which would be refused: it goes if the listing changed.
_EVALUATE = f"""{_LOCKED}
cd evaluations/"$2" || exit
ls -l --full-time pictures > listing.new || exit
cmp -s listing.new listing || rm -f *.journal
mv listing.new listing && cd ../.. || exit
exec "releases/$1/venv/bin/python" -I -m mixer_edge evaluate "releases/$1/bundle" "evaluations/$2/pictures" --json \\
    --variants "$3" --backend "$4" --journal "evaluations/$2/$1.$3.journal" </dev/null
"""


@dataclass(frozen=True, kw_only=True)
class Boards:
    """Boards to compare with, and how ssh reaches them."""

    hosts: Sequence[str]
    config: Path | None = None
    identity: Path | None = None


def on_boards(bundle: Bundle, here: Evaluation, boards: Boards) -> tuple[BoardResult, ...]:
    """Return what every board answers to the pictures of an evaluation; one that fails has its error.

    Args:
        bundle: which has to be deployed there.
        here: the evaluation on this machine.
        boards: all of them at once; they share the pictures.

    Raises:
        DeployError: a host, or a file that ssh is to use, cannot be meant; no board was spoken to.
    """
    with tempfile.TemporaryDirectory(prefix="mixer-edge-pictures-") as temporary:
        pictures = _stage(here, Path(temporary))

        def one(connection: Connection, report: Callable[[str, str], None]) -> BoardResult:
            return _on_board(connection, report, bundle, here, Path(temporary), pictures)

        results = for_each(boards.hosts, one, config=boards.config, identity=boards.identity)
    return tuple(
        BoardResult.failed(host, str(result).removeprefix(f"{host}: "))
        if isinstance(result, MixerEdgeError)
        else result
        for host, result in zip(boards.hosts, results, strict=True)
    )


def _stage(here: Evaluation, folder: Path) -> dict[bytes, int]:
    """Link every picture into ``folder`` and return the number that each has on a board, by its pixels' sha256."""
    paths: dict[bytes, Path] = {}
    for record in here.records:
        paths.setdefault(record["pixels"].tobytes(), here.dataset.images[int(record["picture"])].path)
    for pixels, path in paths.items():
        (folder / f"{pixels.hex()}{path.suffix.lower()}").symlink_to(path.absolute())
    return {pixels: number for number, pixels in enumerate(sorted(paths))}


def _on_board(
    connection: Connection,
    report: Callable[[str, str], None],
    bundle: Bundle,
    here: Evaluation,
    stage: Path,
    pictures: Mapping[bytes, int],
) -> BoardResult:
    release, backend = _deployed(probe(connection), connection.host, bundle)
    key = hashlib.sha256("\n".join(sorted(path.name for path in stage.iterdir())).encode()).hexdigest()[:16]
    connection.run(_PREPARE, key)
    report("copy", f"{len(pictures)} pictures")
    sent = connection.copy(stage, f"{BASE}/evaluations/{key}/pictures", lock=_LOCK, excludes=[], like=[])
    report("copy", f"{sent:,} bytes sent" if sent else "nothing to send, they are there")
    report("measure", f"latencies on {backend}")
    figures, notes = _figures(connection, release, backend, bundle, [name for name in here.names if name != SOURCE])
    report("evaluate", f"{len(pictures)} pictures")
    names, variants = list(figures), ",".join(figures)
    try:
        connection.run(_EVALUATE, release, key, variants, backend)
    except RemoteError as error:
        if error.code != _UNREADABLE or not error.stdout.startswith("{"):
            raise
    with tempfile.TemporaryDirectory(prefix="mixer-edge-journal-") as temporary:
        journal = Path(temporary) / "journal"
        connection.fetch(f"{BASE}/evaluations/{key}/{release}.{variants}.journal", journal)
        _, _, content = journal.read_bytes().partition(b"\n")
    records = np.frombuffer(content, record_dtype(names, bundle.manifest.architecture["num_classes"] or 0))
    return _beside(connection.host, backend, figures, bundle, here, _like(here, names, records, pictures), notes)


def _figures(
    connection: Connection, release: str, backend: str, bundle: Bundle, names: Sequence[str]
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return what ``mixer-edge benchmark`` says of each variant that runs there, and why the others do not.

    Raises:
        RemoteError: not even the reference runs.
    """
    figures, notes = {}, []
    for name in names:
        reason = bundle.manifest.variant(name).refusal(backend)
        try:
            if reason is None:
                figures[name] = json.loads(connection.run(_BENCHMARK, release, name, backend))
        except RemoteError as error:
            if name == REFERENCE:
                raise
            reason = str(error).removeprefix(f"{connection.host}: ").removeprefix("error: ")
        if reason is not None:
            notes.append(f"{name} does not run there: {reason.rstrip('.')}")
    return figures, notes


def _deployed(facts: BoardFacts, host: str, bundle: Bundle) -> tuple[str, str]:
    """Return the release in use and its interpreter, if it is this bundle with this runtime.

    Raises:
        DeployError: it is not.
    """
    wanted = (bundle.manifest.fingerprint(), mixer_edge.__version__)
    told = facts.release
    if told is None or (told["bundle"], told["mixer-edge"]) != wanted:
        there = "nothing" if told is None else f"{told['name']} {told['bundle'][:16]} (mixer-edge {told['mixer-edge']})"
        raise DeployError(
            f"{host}: {there} is deployed there, expected {bundle.manifest.name} {wanted[0][:16]} (mixer-edge "
            f"{wanted[1]}); deploy first: mixer-edge-export deploy {bundle.folder} {host}"
        )
    return facts.current, told["backend"]


def _like(here: Evaluation, names: list[str], records: NDArray[np.void], pictures: Mapping[bytes, int]) -> Evaluation:
    """Return a board's records as an evaluation of this machine's pictures, those it could not read left out."""
    rows = {int(number): row for row, number in enumerate(records["picture"])}
    numbers = [(record["picture"], pictures[record["pixels"].tobytes()]) for record in here.records]
    read = [(picture, rows[number]) for picture, number in numbers if number in rows]
    answers = records[[row for _, row in read]]  # a copy
    answers["picture"] = [picture for picture, _ in read]
    return Evaluation(dataset=here.dataset, names=tuple(names), records=answers, unreadable=())


def _beside(
    host: str,
    backend: str,
    figures: Mapping[str, Mapping[str, Any]],
    bundle: Bundle,
    here: Evaluation,
    there: Evaluation,
    notes: list[str],
) -> BoardResult:
    both = here.records[np.isin(here.records["picture"], there.records["picture"])]
    if missing := len(here.records) - len(both):
        notes.append(f"pictures that cannot be read there and do not count: {missing}")
    if decoded := int((both["pixels"] != there.records["pixels"]).sum()):
        notes.append(f"pictures that are decoded to other pixels there: {decoded}")
    variants = []
    for name in there.names:
        changed = both[both[name]["classes"][:, 0] != there.predictions(name)]["picture"]
        variants.append(
            BoardVariant(
                name=name,
                changed=len(changed),
                changed_files=tuple(here.dataset.name(int(picture)) for picture in changed[:SHOWN]),
                top1=score(there, name, bundle.label).top1,
                latency_ms=figures[name]["rows"][0]["network"]["median_ms"],
            )
        )
    last = figures[there.names[-1]]
    return BoardResult(
        host=host,
        board=last["board"]["name"],
        backend=backend,
        temperature_celsius=last["temperature_celsius"]["after"],
        pictures=len(both),
        variants=tuple(variants),
        notes=tuple(notes),
        error=None,
    )
