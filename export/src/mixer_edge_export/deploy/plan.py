"""Decide what to install on a board, and why, from its facts and before any change."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from packaging.requirements import Requirement

from mixer_edge.interpreter import BACKENDS
from mixer_edge_export.acceptance.runtimes import TFLITE_VERSION
from mixer_edge_export.deploy.extras import extra_requirements
from mixer_edge_export.deploy.layout import WRAPPER
from mixer_edge_export.deploy.probe import BoardFacts
from mixer_edge_export.deploy.ssh import DeployError

_LITERT_PYTHONS = range(10, 15)
_TFLITE_PYTHONS = range(10, 12)
_LITERT_MACHINES = ("aarch64", "x86_64")
_TFLITE_MACHINES = ("aarch64", "armv7l", "x86_64")
_LITERT_GLIBC, _TFLITE_GLIBC = 27, 34


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a board gets its interpreter."""

    backend: str
    python: str
    machine: str
    glibc_minor: int
    requirements: tuple[str, ...]
    """The packages that pip downloads on the workstation, without the runtime itself."""
    system_packages: bool
    """Whether to use numpy and Pillow of the board's own system."""
    why: str
    extra: tuple[str, ...] = ()
    """Those of the requirements that only an extra of the runtime needs."""

    @property
    def compiled(self) -> tuple[str, ...]:
        """The packages to compile on the board: a service that serves cannot write in its release."""
        return ("mixer-edge", *(Requirement(text).name for text in self.extra)) if self.extra else ()

    @property
    def lines(self) -> tuple[str, ...]:
        """The plan as text, one fact per line."""
        origin = "numpy and Pillow from the board's system" if self.system_packages else "no package from the board"
        return (
            f"interpreter {self.backend} ({self.why})",
            f"packages for Python {self.python} {self.machine}: {', '.join(self.requirements)}; {origin}",
        )


def make_plan(facts: BoardFacts, backend: str = "auto", extra: str | None = None) -> Plan:
    """Return the plan for a board, with the packages of an extra of the runtime, e.g. ``serve``.

    The versions of interpreter, numpy and Pillow are those installed here if they are available for the board, so that
    both compute the same.

    Raises:
        DeployError: the board cannot run any interpreter, or not the requested one, or lacks a program, or the extra
            is not installed here; the message says what to do.
    """
    if backend not in ("auto", *BACKENDS):
        raise DeployError(f"unknown backend {backend!r}; expected auto, {', '.join(BACKENDS)}")
    _check_board(facts)
    refusals = {name: _refusal(facts, name) for name in BACKENDS}
    wanted = list(BACKENDS) if backend == "auto" else [backend]
    chosen = next((name for name in wanted if refusals[name] is None), None)
    if chosen is None:
        raise DeployError(f"{facts.name}: {'; '.join(f'{name} {refusals[name]}' for name in wanted)}")
    system_packages = facts.machine == "armv7l"
    if system_packages and not (facts.has_numpy and facts.has_pillow):
        raise DeployError(
            f"{facts.name}: there are no wheels of numpy and Pillow for armv7l: "
            "sudo apt install python3-numpy python3-pil there, then repeat"
        )
    more = () if extra is None else extra_requirements(extra, python=facts.python, machine=facts.machine)
    refused = [f"{name} {refusals[name]}" for name in wanted[: wanted.index(chosen)]]
    return Plan(
        backend=chosen,
        python=facts.python,
        machine=facts.machine,
        glibc_minor=_minor(facts.glibc),
        requirements=(*_requirements(chosen, system_packages=system_packages), *more),
        system_packages=system_packages,
        why="; ".join(refused) or ("as requested" if backend != "auto" else "preferred if it has a wheel"),
        extra=more,
    )


def _check_board(facts: BoardFacts) -> None:
    if facts.system != "Linux":
        raise DeployError(f"{facts.name}: runs {facts.system or 'an unknown system'}, expected Linux")
    if not facts.python:
        raise DeployError(f"{facts.name}: no python3 there: sudo apt install python3 python3-venv, then repeat")
    if not facts.has_venv:
        raise DeployError(f"{facts.name}: its Python cannot make a venv: sudo apt install python3-venv, then repeat")
    for program, installed in (("rsync", facts.has_rsync), ("flock", facts.has_flock)):
        if not installed:
            package = "util-linux" if program == "flock" else program
            raise DeployError(f"{facts.name}: no {program} there: sudo apt install {package}, then repeat")
    if facts.foreign_wrapper:
        raise DeployError(f"{facts.name}: ~/{WRAPPER} there was not written by deploy; move it away, then repeat")


def _refusal(facts: BoardFacts, backend: str) -> str | None:
    """Return why there is no wheel of an interpreter for a board, or None if there is one."""
    machines, pythons, glibc = {
        "ai-edge-litert": (_LITERT_MACHINES, _LITERT_PYTHONS, _LITERT_GLIBC),
        "tflite-runtime": (_TFLITE_MACHINES, _TFLITE_PYTHONS, _TFLITE_GLIBC),
    }[backend]
    if facts.machine not in machines:
        return f"has no wheel for {facts.machine}, only for {', '.join(machines)}"
    if not facts.python.startswith("3.") or _minor(facts.python) not in pythons:
        return f"has no wheel for Python {facts.python}, only for 3.{pythons[0]} to 3.{pythons[-1]}"
    if _minor(facts.glibc) < glibc:
        return f"needs glibc 2.{glibc}, found {facts.glibc or 'none'}"
    return None


def _requirements(backend: str, *, system_packages: bool) -> tuple[str, ...]:
    interpreter = f"tflite-runtime=={TFLITE_VERSION}"
    numpy = "numpy<2"
    if backend == "ai-edge-litert":
        interpreter, numpy = f"ai-edge-litert=={version('ai-edge-litert')}", f"numpy=={version('numpy')}"
    return (interpreter,) if system_packages else (interpreter, numpy, f"pillow=={version('pillow')}")


def _minor(number: str) -> int:
    _, _, minor = number.partition(".")
    return int(minor) if minor.isdigit() else 0
