"""What is done with one board, step by step: deploy, rollback, undeploy, benchmark."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from mixer_edge.benchmark import BenchmarkReport
from mixer_edge.bundle import Bundle
from mixer_edge.release import RELEASE_NAME, Release
from mixer_edge.verify import Verification, check_files
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.layout import BASE, KEEP
from mixer_edge_export.deploy.plan import make_plan
from mixer_edge_export.deploy.probe import BoardFacts
from mixer_edge_export.deploy.service import Service
from mixer_edge_export.deploy.ssh import DeployError, RemoteError
from mixer_edge_export.deploy.stage import Stage, staged

SPARE_BYTES = 32 << 20
"""Free space that a deploy leaves on the board: a disk that is full to the last byte breaks other programs."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to deploy, and how."""

    bundle: Bundle
    variant: str = "int8"
    backend: str = "auto"
    keep: int = KEEP
    service: Service | None = None
    dry_run: bool = False

    def check(self) -> None:
        """Check every file of the bundle, before any board is spoken to.

        Raises:
            BundleError: the bundle is damaged or has no such variant.
        """
        check_files(self.bundle)
        self.bundle.manifest.variant(self.variant)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a board runs now, and what it did with the golden pictures; None for what was not tried."""

    board: str
    release: str | None
    backend: str | None
    verified: str | None = None
    """How its golden outputs compare with the workstation's."""
    label: str | None = None
    latency_ms: float | None = None
    temperature_celsius: float | None
    copied_bytes: int | None = None
    """0 if the release was there already."""

    @classmethod
    def unchanged(cls, facts: BoardFacts) -> Outcome:
        """Return what a board runs of which nothing else is known."""
        return cls(
            board=facts.name,
            release=facts.current or None,
            backend=facts.release.backend if facts.release else None,
            temperature_celsius=facts.temperature_celsius,
        )


def deploy(board: Board, job: Job) -> Outcome:
    """Bring a bundle to a board, put it to use there, and return what it runs then.

    Raises:
        DeployError: the board cannot take it or a step failed; it runs what it ran before.
    """
    board.report("probe", "")
    facts = board.probe()
    board.report("probe", str(facts))
    plan = make_plan(facts, job.backend)
    for line in plan.lines:
        board.report("plan", line)
    now = f"now {facts.current or 'nothing'} there"
    board.report("plan", f"{job.bundle.manifest.name} {job.variant} to ~/{BASE}, {now}")
    if job.dry_run:
        return Outcome.unchanged(facts)
    board.report("packages", "")
    with staged(job.bundle, job.variant, plan) as stage, board.locked():
        facts = board.probe()  # what another deploy may have changed until the lock was ours
        name, verified = _find(board, facts, stage)
        copied = 0
        if verified is None:
            copied, verified = _bring(board, facts, stage, name)
        outcome = _use(board, facts, name, stage.release)
        board.report("tidy", "")
        board.tidy(job.keep)
        if job.service is not None:
            board.report("service", "")
            unit = job.service.unit(stage.release)
            board.report("service", board.write_service(unit, start=facts.has_systemd))
        elif facts.has_systemd:
            board.restart_service()
    return replace(outcome, verified=_words(verified), copied_bytes=copied)


def rollback(board: Board, to: str | None) -> Outcome:
    """Put the release to use that was in use before, or the one named, once it is proved again.

    Raises:
        DeployError: there is none, or it fails; the board runs what it ran before.
    """
    with board.locked():
        board.report("probe", "")
        facts = board.probe()
        name = to or facts.previous
        if name not in facts.releases or name == facts.current:
            others = ", ".join(other for other in facts.releases if other != facts.current) or "none"
            raise DeployError(f"{board.host}: no release to go back to; others there: {others}")
        release = _readable(board, name)
        board.report("verify", name)
        verified = board.verify(name, release)
        outcome = _use(board, facts, name, release)
        if facts.has_systemd:
            board.restart_service()
    return replace(outcome, verified=_words(verified))


def undeploy(board: Board) -> Outcome:
    """Remove everything that deploy has ever put on the board, and return what it runs then: nothing."""
    with board.locked():
        board.report("remove", f"~/{BASE}, the command and the unit")
        board.remove_all()
        return Outcome.unchanged(board.probe())


def status(board: Board) -> BoardFacts:
    """Return what a board is and what it runs; where that cannot be read, the reason is told as well."""
    facts = board.probe()
    if facts.release_error:
        board.report("status", f"{RELEASE_NAME} of {facts.current} there cannot be read ({facts.release_error})")
    return facts


def benchmark(board: Board, *, runs: int, variant: str | None) -> BenchmarkReport:
    """Return the figures of the release in use, of its own variant or of the one named.

    Raises:
        DeployError: nothing is deployed there, or the benchmark failed.
    """
    facts = board.probe()
    if not facts.current:
        raise DeployError(f"{board.host}: nothing is deployed there; deploy a bundle first")
    release = _readable(board, facts.current)
    return board.benchmark(release, variant or release.variant, runs)


def _readable(board: Board, name: str) -> Release:
    try:
        return board.read_release(name)
    except RemoteError as error:
        raise DeployError(f"{error}; deploy again") from None


def _find(board: Board, facts: BoardFacts, stage: Stage) -> tuple[str, Verification | None]:
    """Return the name for a release, and how it verifies if it is on the board already and whole."""
    there = [name for name in facts.releases if name.split("-")[0] == stage.fingerprint]
    if not there:
        return stage.fingerprint, None
    name = facts.current if facts.current in there else there[0]
    board.report("verify", f"{name} is there already")
    try:
        return name, board.verify(name, board.read_release(name))
    except RemoteError as error:
        reason = str(error).removeprefix(f"{board.host}: ")
        board.report("verify", f"{reason}; bringing a whole one beside it")
    number = 2
    while f"{stage.fingerprint}-{number}" in facts.releases:
        number += 1
    return f"{stage.fingerprint}-{number}", None


def _bring(board: Board, facts: BoardFacts, stage: Stage, name: str) -> tuple[int, Verification]:
    """Copy, install and verify a release under its partial name; return the bytes sent and what verify found."""
    if facts.free_bytes < stage.size_bytes + SPARE_BYTES:
        raise DeployError(
            f"{board.host}: {facts.free_bytes / 1e6:.0f} MB free there, {stage.size_bytes / 1e6:.0f} MB needed and "
            f"{SPARE_BYTES / 1e6:.0f} MB to spare; make room, then repeat"
        )
    step = "copy"
    try:
        board.report(step, name)
        board.prepare(name)
        copied = board.copy(stage.folder, f"releases/{name}.partial", like=[f"../{old}" for old in facts.releases])
        board.report(step, f"{copied / 1e6:.1f} MB sent")
        step = "install"
        board.report(step, f"{stage.release.backend} for Python {stage.release.python}")
        board.install(name, system_packages=stage.system_packages)
        step = "verify"
        board.report(step, "golden vectors")
        verified = board.verify(f"{name}.partial", stage.release)
        board.report(step, _words(verified))
    except RemoteError as error:
        # What a lost connection leaves is used by the next deploy; what failed for good is taken away.
        with suppress(DeployError):
            board.discard(name)
        advice = "make room there, then repeat" if error.disk_full else "put it right, then repeat"
        raise DeployError(
            f"{error}: {step} failed, the board runs what it ran before ({facts.current or 'nothing'}); {advice}"
        ) from None
    return copied, verified


def _use(board: Board, facts: BoardFacts, name: str, release: Release) -> Outcome:
    """Switch to a release and classify the golden picture with it; switch back if that fails."""
    board.report("switch", name)
    board.switch(name)
    board.report("smoke", "")
    try:
        label, figures = board.smoke(release)
    except RemoteError as error:
        board.switch_back(facts)
        raise DeployError(
            f"{error}: the release did not classify once in use, the board is back at {facts.current or 'nothing'}"
        ) from None
    return Outcome(
        board=facts.name,
        release=name,
        backend=release.backend,
        label=label,
        latency_ms=figures.rows[0].network.median_ms,
        temperature_celsius=figures.temperature_celsius.after,
    )


def _words(result: Verification) -> str:
    if result.bit_equal or result.max_error is None:
        return "bit-equal"
    return f"within {result.max_error:.1g} (tolerance {result.tolerance:g})"
