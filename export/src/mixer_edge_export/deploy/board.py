"""What deploy, rollback, undeploy and benchmark do with one board, step by step."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import mixer_edge
from mixer_edge.bundle import Bundle
from mixer_edge.manifest import file_sha256
from mixer_edge.verify import check_files
from mixer_edge_export.deploy import release
from mixer_edge_export.deploy.plan import Plan, make_plan
from mixer_edge_export.deploy.probe import BASE, BoardFacts, probe
from mixer_edge_export.deploy.service import Service, remove_service, restart_service, write_service
from mixer_edge_export.deploy.ssh import Connection, DeployError, RemoteError
from mixer_edge_export.deploy.wheelhouse import requirements_text, runtime_wheel, unpacked_bytes, wheelhouse

Report = Callable[[str, str], None]
"""Called with the name of a step before it begins, or with what it found."""

SPARE_BYTES = 32 << 20
"""Free space that a deploy leaves on the board: a disk that is full to the last byte breaks other programs."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to deploy, and how."""

    bundle: Bundle
    variant: str = "int8"
    backend: str = "auto"
    keep: int = 2
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
    """What a board runs now, and how it did with the golden picture; None for what was not tried."""

    board: str
    release: str | None
    backend: str | None
    verified: str | None
    """How its golden outputs compare with the workstation's."""
    label: str | None
    latency_ms: float | None
    temperature_celsius: float | None
    copied_bytes: int | None
    """0 if the release was there already."""


def deploy(connection: Connection, job: Job, report: Report) -> Outcome:
    """Bring a bundle to a board and put it to use there.

    Raises:
        DeployError: the board cannot take it or a step failed; it runs what it ran before.
    """
    bundle = job.bundle
    report("probe", "")
    facts = probe(connection)
    report("probe", _facts_line(facts))
    plan = make_plan(facts, job.backend)
    for line in plan.lines:
        report("plan", line)
    report("plan", f"{bundle.manifest.name} {job.variant} to ~/{BASE}, now {facts.current or 'nothing'} there")
    if job.dry_run:
        return _unchanged(facts)
    report("packages", "")
    with _staged(bundle, job.variant, plan) as (stage, fingerprint, needed), release.locked(connection):
        facts = probe(connection)  # what another deploy may have changed until the lock was ours
        name, verified = _find(connection, facts, fingerprint, job.variant, plan.backend, report)
        copied = 0
        if verified is None:
            if facts.free_bytes < needed + SPARE_BYTES:
                raise DeployError(
                    f"{connection.host}: {facts.free_bytes / 1e6:.0f} MB free there, {needed / 1e6:.0f} MB needed and "
                    f"{SPARE_BYTES / 1e6:.0f} MB to spare; make room, then repeat"
                )
            copied, verified = _bring(connection, stage, name, plan, job.variant, facts, report)
        result = _use(connection, name, bundle.manifest.task, job.variant, plan.backend, facts, report)
        report("tidy", "")
        release.tidy(connection, job.keep)
        if job.service is not None:
            report("service", "")
            unit = job.service.unit(job.variant, plan.backend)
            report("service", write_service(connection, unit, start=facts.has_systemd))
        elif facts.has_systemd:
            restart_service(connection)
    return _outcome(facts, name, plan.backend, verified, result, copied)


def rollback(connection: Connection, to: str | None, report: Report) -> Outcome:
    """Put the release to use that was in use before, or the one named, once it is proved again.

    Raises:
        DeployError: there is none, or it fails; the board runs what it ran before.
    """
    with release.locked(connection):
        report("probe", "")
        facts = probe(connection)
        name = to or facts.previous
        if name not in facts.releases or name == facts.current:
            others = ", ".join(other for other in facts.releases if other != facts.current) or "none"
            raise DeployError(f"{connection.host}: no release to go back to; there besides the current one: {others}")
        described = connection.run(f'cat ~/{BASE}/releases/"$1"/release.json', name)
        told = json.loads(described)
        report("verify", name)
        verified = _words(release.verify(connection, name, told["variant"], told["backend"]))
        result = _use(connection, name, told["task"], told["variant"], told["backend"], facts, report)
        if facts.has_systemd:
            restart_service(connection)
    return _outcome(facts, name, told["backend"], verified, result, None)


def undeploy(connection: Connection, report: Report) -> Outcome:
    """Remove everything that deploy has ever put on the board."""
    with release.locked(connection):
        report("remove", f"~/{BASE}, the command and the unit")
        remove_service(connection)
        release.remove_all(connection)
        return _unchanged(probe(connection))


def benchmark(connection: Connection, *, runs: int, variant: str | None) -> dict[str, Any]:
    """Return the figures of the release in use, as ``mixer-edge benchmark --json`` prints them on the board.

    Raises:
        DeployError: nothing is deployed there, or the benchmark failed.
    """
    told = probe(connection).release
    if told is None:
        raise DeployError(f"{connection.host}: nothing is deployed there; deploy a bundle first")
    script = (
        f'~/.local/bin/mixer-edge benchmark ~/{BASE}/current/bundle --json --variant "$1" --backend "$2" --runs "$3"'
    )
    output = connection.run(script, variant or told["variant"], told["backend"], str(runs))
    return dict(json.loads(output.splitlines()[-1]))


@contextmanager
def _staged(bundle: Bundle, variant: str, plan: Plan) -> Iterator[tuple[Path, str, int]]:
    """Yield the folder that becomes the release, its fingerprint, and the bytes it takes on the board."""
    with tempfile.TemporaryDirectory(prefix="mixer-edge-release-") as temporary:
        stage, house = Path(temporary), wheelhouse(plan)
        for folder in ("bundle", "wheels"):
            (stage / folder).mkdir()
        files = [spec.file for spec in bundle.manifest.variants] + [bundle.manifest.golden]
        files += [bundle.manifest.labels] if bundle.manifest.labels else []
        for name in ("manifest.json", *(file.name for file in files)):
            (stage / "bundle" / name).symlink_to((bundle.folder / name).resolve())
        for wheel in house.glob("*.whl"):
            (stage / "wheels" / wheel.name).symlink_to(wheel)
        runtime_wheel(stage / "wheels")
        requirements = requirements_text(stage / "wheels")
        (stage / "requirements.txt").write_text(requirements, "utf-8")
        Image.fromarray(bundle.golden()["images"][0].astype(np.uint8)).save(stage / "smoke.png")
        facts = {
            "name": bundle.manifest.name,
            "task": bundle.manifest.task,
            "bundle": bundle.manifest.fingerprint(),
            "variant": variant,
            "backend": plan.backend,
            "python": plan.python,
            "mixer-edge": mixer_edge.__version__,
        }
        (stage / "release.json").write_text(json.dumps(facts, sort_keys=True) + "\n", "utf-8")
        sealed = [file_sha256(stage / name) for name in ("release.json", "requirements.txt")]
        fingerprint = hashlib.sha256("".join(sealed).encode()).hexdigest()[:16]
        needed = unpacked_bytes(stage / "wheels") + sum(file.size_bytes for file in files)
        yield stage, fingerprint, needed


def _find(
    connection: Connection, facts: BoardFacts, fingerprint: str, variant: str, backend: str, report: Report
) -> tuple[str, str | None]:
    """Return the name for a release, and how it verifies if it is on the board already and whole."""
    there = [name for name in facts.releases if name.split("-")[0] == fingerprint]
    if not there:
        return fingerprint, None
    name = facts.current if facts.current in there else there[0]
    report("verify", f"{name} is there already")
    try:
        return name, _words(release.verify(connection, name, variant, backend))
    except RemoteError as error:
        report("verify", f"{error}; bringing it anew")
    number = 2
    while f"{fingerprint}-{number}" in facts.releases:
        number += 1
    return f"{fingerprint}-{number}", None


def _bring(
    connection: Connection, stage: Path, name: str, plan: Plan, variant: str, facts: BoardFacts, report: Report
) -> tuple[int, str]:
    """Copy, install and verify a release under its partial name; return the bytes sent and the verdict."""
    step = "copy"
    try:
        report(step, name)
        release.prepare(connection, name)
        copied = connection.copy(
            stage,
            f"{BASE}/releases/{name}.partial",
            lock=release.STEP_LOCK,
            excludes=["/venv"],
            like=[f"../{old}" for old in facts.releases],
        )
        report(step, f"{copied / 1e6:.1f} MB sent")
        step = "install"
        report(step, f"{plan.backend} for Python {plan.python}")
        release.install(connection, name, system_packages=plan.system_packages)
        step = "verify"
        report(step, "golden vectors")
        verified = _words(release.verify(connection, f"{name}.partial", variant, plan.backend))
        report(step, verified)
    except RemoteError as error:
        # What a lost connection leaves is used by the next deploy; what failed for good is taken away.
        with suppress(DeployError):
            release.discard(connection, name)
        advice = "make room there, then repeat" if error.disk_full else "put it right, then repeat"
        raise DeployError(
            f"{error}: {step} failed, the board runs what it ran before ({facts.current or 'nothing'}); {advice}"
        ) from None
    return copied, verified


def _use(
    connection: Connection, name: str, task: str, variant: str, backend: str, facts: BoardFacts, report: Report
) -> list[dict[str, Any]]:
    """Switch to a release and classify the golden picture with it; switch back if that fails."""
    report("switch", name)
    release.switch(connection, name)
    report("smoke", "")
    try:
        return release.smoke(connection, task, variant, backend)
    except RemoteError as error:
        release.switch_back(connection, facts.current)
        raise DeployError(
            f"{error}: the release did not classify once in use, the board is back at {facts.current or 'nothing'}"
        ) from None


def _outcome(
    facts: BoardFacts, name: str, backend: str, verified: str, smoke: list[dict[str, Any]], copied: int | None
) -> Outcome:
    figures = smoke[-1]
    return Outcome(
        board=facts.name,
        release=name,
        backend=backend,
        verified=verified,
        label=smoke[0]["categories"][0]["label"] if len(smoke) > 1 else None,
        latency_ms=figures["rows"][0]["network"]["median_ms"],
        temperature_celsius=figures["temperature_celsius"]["after"],
        copied_bytes=copied,
    )


def _unchanged(facts: BoardFacts) -> Outcome:
    return Outcome(
        board=facts.name,
        release=facts.current or None,
        backend=facts.release["backend"] if facts.release else None,
        verified=None,
        label=None,
        latency_ms=None,
        temperature_celsius=facts.temperature_celsius,
        copied_bytes=None,
    )


def _words(result: dict[str, Any]) -> str:
    if result["bit_equal"]:
        return "bit-equal"
    return f"within {result['max_error']:.1g} (tolerance {result['tolerance']:g})"


def _facts_line(facts: BoardFacts) -> str:
    return (
        f"{facts.name}, {facts.os}, {facts.machine}, Python {facts.python or 'none'}, glibc {facts.glibc or 'none'}, "
        f"{facts.free_bytes / 1e9:.1f} GB free"
    )
