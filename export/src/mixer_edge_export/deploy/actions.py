"""The actions on one board, step by step: deploy, rollback, undeploy, status, benchmark."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from mixer_edge.benchmark import BenchmarkReport
from mixer_edge.bundle import Bundle
from mixer_edge.release import RELEASE_NAME, Release
from mixer_edge.verify import Verification, check_files
from mixer_edge_export.deploy.board import Board
from mixer_edge_export.deploy.command import REMEDY
from mixer_edge_export.deploy.extras import extra_names
from mixer_edge_export.deploy.layout import BASE, KEEP
from mixer_edge_export.deploy.plan import Plan, make_plan
from mixer_edge_export.deploy.probe import BoardFacts
from mixer_edge_export.deploy.scripts import OLDER
from mixer_edge_export.deploy.service import SERVE, Service, extra_of, for_release
from mixer_edge_export.deploy.ssh import DeployError, RemoteError
from mixer_edge_export.deploy.stage import Stage, staged
from mixer_edge_export.deploy.threads import choose_threads, describe
from mixer_edge_export.deploy.unit import Unit
from mixer_edge_export.deploy.unit_scripts import NAME as UNIT_NAME
from mixer_edge_export.signing import check_signature

SPARE_BYTES = 32 << 20
"""Free space that a deploy leaves on the board: a full disk breaks other programs."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to deploy, and how."""

    bundle: Bundle
    variant: str = "int8"
    backend: str = "auto"
    keep: int = KEEP
    service: Service | None = None
    dry_run: bool = False
    signers: Path | None = None
    """Whose bundles the boards switch to from now on: ``ALLOWED SIGNERS`` in ssh-keygen(1). None: it stays as it is."""
    replace_signers: bool = False
    """Whether ``signers`` may replace others that a board has."""
    prove: Callable[[Board], None] | None = None
    """Called when a board has switched and has classified the golden picture; if it raises, the board switches back."""

    def extra(self, facts: BoardFacts) -> str | None:
        """Return the extra of the runtime that a board needs: for this service, or without one for that of before."""
        return extra_of(facts.service if self.service is None else self.service.command)

    def check(self) -> None:
        """Check every file of the bundle, before a connection to any board.

        Raises:
            BundleError: the bundle is damaged or has no such variant, or none of the signers signed it.
        """
        check_files(self.bundle)
        if self.signers is not None:
            check_signature(self.bundle.folder, self.signers)
        self.bundle.manifest.variant(self.variant)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a board runs now, and its results on the golden pictures; None for what was not measured."""

    board: str
    release: str | None
    backend: str | None
    threads: int | None
    """The interpreter's threads, as measured there."""
    verified: str | None = None
    """How its golden outputs compare with the workstation's."""
    label: str | None = None
    latency_ms: float | None = None
    temperature_celsius: float | None
    copied_bytes: int | None = None
    """0 if the release was already there."""

    @classmethod
    def unchanged(cls, facts: BoardFacts) -> Outcome:
        """Return the outcome for a board that was only probed."""
        return cls(
            board=facts.name,
            release=facts.current or None,
            backend=facts.release.backend if facts.release else None,
            threads=facts.release.threads if facts.release else None,
            temperature_celsius=facts.temperature_celsius,
        )


def deploy(board: Board, job: Job) -> Outcome:
    """Install a bundle on a board, switch to it, and return what the board runs then.

    Raises:
        DeployError: the board cannot run it or a step failed; the board still runs the same release.
    """
    board.report("probe", "")
    facts = board.probe()
    board.report("probe", str(facts))
    extra = job.extra(facts)
    plan = make_plan(facts, job.backend, extra)
    if job.service is not None:
        job.service.check(facts)
    for line in plan.lines:
        board.report("plan", line)
    if job.service is not None and facts.has_systemd and not facts.has_user_namespaces:
        board.report("plan", "no user namespaces there: the service sees and writes all files of the user")
    if job.service is None and extra is not None:
        board.report("plan", f"{UNIT_NAME} there runs {facts.service}, so its packages are in this release too")
    now = f"now {facts.current or 'nothing'} there"
    board.report("plan", f"{job.bundle.manifest.name} {job.variant} to ~/{BASE}, {now}")
    if job.dry_run:
        return Outcome.unchanged(facts)
    board.report("packages", "")
    with staged(job.bundle, job.variant, plan) as stage, board.locked():
        facts = board.probe()  # another deploy may have changed the board before this one got the lock
        if job.extra(facts) != extra:
            raise DeployError(f"{board.host}: another deploy has changed {UNIT_NAME} there meanwhile; repeat")
        if job.signers is not None:
            board.set_signers(job.signers.read_text("utf-8"), replace=job.replace_signers)
        name, found = _find(board, facts, stage)
        copied = 0
        if found is None:
            copied, found = _install(board, facts, stage, name, plan)
        release, verified = found
        outcome = _activate(board, facts, name, release, job.service, job.prove)
        board.report("tidy", "")
        try:
            board.tidy(job.keep)
        except RemoteError as error:  # the new release is in use and works
            board.report("tidy", f"{_reason(board, error)}; the next deploy tries again")
    return replace(outcome, verified=_describe(verified), copied_bytes=copied)


def rollback(board: Board, to: str | None) -> Outcome:
    """Verify the previous release again, or the one named ``to``, and switch to it.

    Raises:
        DeployError: there is no such release, or it fails; the board still runs the same release.
    """
    with board.locked():
        board.report("probe", "")
        facts = board.probe()
        name = to or facts.previous
        if name not in facts.releases or name == facts.current:
            others = ", ".join(other for other in facts.releases if other != facts.current) or "none"
            raise DeployError(f"{board.host}: no release to go back to; others there: {others}")
        extra = extra_of(facts.service)
        if extra is not None and not board.has_packages(name, extra_names(extra)):
            raise DeployError(
                f"{board.host}: release {name} has no packages for {UNIT_NAME} there, which runs {facts.service}; "
                "deploy its bundle again, which takes them along"
            )
        try:
            release = board.read_release(name)
            board.report("verify", name)
            verified = board.verify(name, release)
        except RemoteError as error:
            raise DeployError(f"{board.host}: {_reason(board, error)}{REMEDY}") from None
        outcome = _activate(board, facts, name, release)
    return replace(outcome, verified=_describe(verified))


def undeploy(board: Board, *, remove_signers: bool = False) -> Outcome:
    """Remove everything that deploy has put on the board but its signers, and return what it runs then: nothing."""
    with board.locked():
        board.report("remove", f"~/{BASE}, the command and the unit")
        Unit(board).remove()
        board.remove_all(signers=remove_signers)
        return Outcome.unchanged(board.probe())


def status(board: Board) -> BoardFacts:
    """Return a board's facts and releases; if the release, the command or the service is damaged, report why."""
    facts = board.probe()
    if facts.current:
        facts = replace(facts, command_error=board.command_error())
    if facts.command_error:
        board.report("status", f"{facts.command_error}{REMEDY}")
    if facts.service == SERVE and facts.has_systemd:
        try:
            facts = replace(facts, health=Unit(board).health())
        except RemoteError as error:
            facts = replace(facts, health_error=_reason(board, error))
            board.report("status", f"{facts.health_error}")
    if facts.release_error:
        board.report("status", f"{RELEASE_NAME} of {facts.current} there cannot be read ({facts.release_error})")
    return facts


def benchmark(board: Board, *, runs: int, variant: str | None) -> BenchmarkReport:
    """Return the benchmark of the release in use, for its own variant or the one named.

    Raises:
        DeployError: nothing is deployed there, or the benchmark failed.
    """
    facts = board.probe()
    if not facts.current:
        raise DeployError(f"{board.host}: nothing is deployed there; deploy a bundle first")
    try:
        release = board.read_release(facts.current)
    except RemoteError as error:
        raise DeployError(f"{error}{REMEDY}") from None
    return board.benchmark(release, variant or release.variant, runs)


def _find(board: Board, facts: BoardFacts, stage: Stage) -> tuple[str, tuple[Release, Verification] | None]:
    """Return the name for a release; also the release and its verification if it is on the board and intact."""
    existing = [name for name in facts.releases if name.split("-")[0] == stage.fingerprint]
    if not existing:
        return stage.fingerprint, None
    name = facts.current if facts.current in existing else existing[0]
    board.report("verify", f"{name} is already there")
    try:
        release = board.read_release(name)
        verified = board.verify(name, release)
        others = [file for file in stage.unlisted() if not board.has_file(name, file, stage.folder / file)]
        if not others:
            return name, (release, verified)
        reason = f"{others[0]} of release {name} is not the one of this machine"
    except RemoteError as error:
        reason = _reason(board, error)
    board.report("verify", f"{reason}; installing a new copy")
    number = 2
    while f"{stage.fingerprint}-{number}" in facts.releases:
        number += 1
    return f"{stage.fingerprint}-{number}", None


def _install(
    board: Board, facts: BoardFacts, stage: Stage, name: str, plan: Plan
) -> tuple[int, tuple[Release, Verification]]:
    """Copy, install, verify and measure a release under its partial name; return the bytes sent and the results."""
    if facts.free_bytes < stage.size_bytes + SPARE_BYTES:
        raise DeployError(
            f"{board.host}: {facts.free_bytes / 1e6:.0f} MB free there, {stage.size_bytes / 1e6:.0f} MB needed and "
            f"{SPARE_BYTES / 1e6:.0f} MB to spare; free some space, then repeat"
        )
    step = "copy"
    try:
        board.report(step, name)
        board.prepare(name)
        existing = [f"../{release}" for release in facts.releases]
        copied = board.copy(stage.folder, f"releases/{name}.partial", link_dest=existing)
        board.report(step, f"{copied / 1e6:.1f} MB sent")
        step = "install"
        board.report(step, f"{stage.release.backend} for Python {stage.release.python}")
        board.install(name, system_packages=stage.system_packages, compiled=plan.compiled)
        step = "verify"
        board.report(step, "golden vectors")
        verified = board.verify(f"{name}.partial", stage.release)
        board.report(step, _describe(verified))
        step = "measure"
        board.report(step, "")
        rows = board.measure(f"{name}.partial", stage.release).rows
        release = replace(stage.release, threads=choose_threads(rows))
        board.write_release(f"{name}.partial", release)
        board.report(step, describe(rows, release.threads))
    except RemoteError as error:
        # After a lost connection the next deploy continues with the partial release; after a failure it is removed.
        with suppress(DeployError):
            board.discard(name)
        raise _failed(board, facts, step, error) from None
    return copied, (release, verified)


def _activate(
    board: Board,
    facts: BoardFacts,
    name: str,
    release: Release,
    service: Service | None = None,
    prove: Callable[[Board], None] | None = None,
) -> Outcome:
    """Switch to a release, classify the golden picture with it and start its service; switch back if that fails.

    Without a ``service`` the unit of an earlier deploy runs this release, with its variant and its interpreter.
    """
    step, unit = "service", Unit(board)
    try:
        text = _unit_text(facts, release, service, unit)
        if text is not None:
            unit.prepare(text)
        step = "switch"
        board.report(step, name)
        if board.switch(name):
            board.report(step, OLDER)
    except RemoteError as error:
        with suppress(DeployError):
            board.discard(name)
            unit.discard()
        raise _failed(board, facts, step, error) from None
    try:
        board.report("smoke", "")
        label, figures = board.smoke(release)
        if prove is not None:
            prove(board)
        if service is not None:
            board.report("service", "")
            board.report("service", unit.use(service.command, start=facts.has_systemd))
        else:
            unit.keep(facts.service, written=text is not None, restart=facts.has_systemd)
    except Exception as error:  # no release stays in use that has not shown that it works
        board.switch_back()
        with suppress(RemoteError):  # the service may have failed before too
            if text is not None:
                unit.restore()
            elif facts.has_systemd:
                unit.restart()
        if not isinstance(error, DeployError):
            raise
        raise DeployError(
            f"{board.host}: {_reason(board, error)}: the release failed after the switch, the board runs "
            f"{facts.current or 'nothing'} again"
        ) from None
    return Outcome(
        board=facts.name,
        release=name,
        backend=release.backend,
        threads=release.threads,
        label=label,
        latency_ms=figures.rows[0].network.median_ms,
        temperature_celsius=figures.temperature_celsius.after,
    )


def _unit_text(facts: BoardFacts, release: Release, service: Service | None, unit: Unit) -> str | None:
    """Return the unit to write for a release, or None if the one there stays as it is."""
    if service is not None:
        return service.unit(release, user_namespaces=facts.has_user_namespaces)
    if not facts.service:
        return None
    there = unit.read()
    text = for_release(there, release)
    return None if text == there else text


def _failed(board: Board, facts: BoardFacts, step: str, error: RemoteError) -> DeployError:
    advice = "free some space there, then repeat" if error.disk_full else "fix this, then repeat"
    return DeployError(
        f"{board.host}: {_reason(board, error)}: {step} failed, the board still runs {facts.current or 'nothing'}; "
        f"{advice}"
    )


def _reason(board: Board, error: DeployError) -> str:
    return str(error).removeprefix(f"{board.host}: ").removeprefix("error: ").removesuffix(REMEDY)


def _describe(result: Verification) -> str:
    if result.bit_equal or result.max_error is None:
        return "bit-equal"
    return f"within {result.max_error:.1g} (tolerance {result.tolerance:g})"
