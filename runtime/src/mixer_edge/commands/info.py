"""``mixer-edge info``: what is in a bundle, and which of its files this machine can run."""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import mixer_edge
from mixer_edge.board import Board
from mixer_edge.bundle import Bundle
from mixer_edge.classifier import Classifier
from mixer_edge.commands import add_bundle
from mixer_edge.errors import MixerEdgeError
from mixer_edge.interpreter import installed_backends
from mixer_edge.manifest import TrainingSpec, UnknownMeasure, UnknownSpec

_MEASURES: dict[UnknownMeasure, str] = {
    "probability": "largest probability",
    "logit": "largest logit",
    "energy": "log-sum-exp of the logits",
}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command and its flags."""
    parser = commands.add_parser("info", help="print what is in a bundle and which of its files this machine can run")
    parser.set_defaults(run=run)
    add_bundle(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the facts; 1 if this machine can run none of the bundle's variants."""
    bundle = Bundle.open(arguments.bundle)
    backends = [arguments.backend] if arguments.backend != "auto" else installed_backends() or ["auto"]
    runs = {
        variant.name: {backend: _refusal(bundle, variant.name, backend) for backend in backends}
        for variant in bundle.manifest.variants
    }
    if arguments.json:
        facts = {"manifest": asdict(bundle.manifest), "machine": _machine(), "cannot_run_because": runs}
        print(json.dumps(facts | {"fingerprint": bundle.manifest.fingerprint()}))
    else:
        print(_text(bundle, runs))
    return 0 if any(reason is None for reasons in runs.values() for reason in reasons.values()) else 1


def _machine() -> dict[str, Any]:
    installed = {name: version(name) for name in ("numpy", "pillow", *installed_backends())}
    return asdict(Board.read()) | {
        "python": platform.python_version(),
        "mixer-edge": mixer_edge.__version__,
        "installed": installed,
    }


def _refusal(bundle: Bundle, variant: str, backend: str) -> str | None:
    """Return why this machine cannot run the file, or None if it can; the file is loaded to find out."""
    if reason := bundle.manifest.variant(variant).refusal(backend):  # loading it could crash
        return f"{variant} is not for {backend}: {reason}"
    try:
        Classifier(bundle, variant, backend=backend).close()
    except MixerEdgeError as error:
        return str(error)
    return None


def _text(bundle: Bundle, runs: dict[str, dict[str, str | None]]) -> str:
    manifest, machine = bundle.manifest, _machine()
    spec, source = manifest.preprocess, manifest.source
    sides = "" if spec.shorter_side is None else f" from a shorter side of {spec.shorter_side}"
    lines = [
        f"{manifest.name}: {manifest.task}, {len(bundle.labels) or 'no'} labels, "
        f"{source.weights} weights ({source.location})",
        f"  input {spec.height} x {spec.width}, {spec.geometry}{sides}, {spec.resample}, "
        f"antialias {'on' if spec.antialias else 'off'}, decode {spec.decode}",
        f"  fingerprint {manifest.fingerprint()}",
        *(_training(manifest.training) if manifest.training else []),
        *([_unknown(manifest.unknown)] if manifest.unknown else []),
        "",
        f"{machine['name']}, {machine['cpus']} CPUs, {machine['machine']}, Python {machine['python']}, "
        + ", ".join(f"{name} {number}" for name, number in machine["installed"].items()),
        "",
    ]
    width = max(len(variant.name) for variant in manifest.variants)
    for variant in manifest.variants:
        runnable = [backend for backend, reason in runs[variant.name].items() if reason is None]
        lines.append(
            f"  {variant.name:{width}}  {variant.file.size_bytes / 1e6:8.2f} MB  "
            f"{variant.input.dtype} to {variant.output.dtype}  runs on {', '.join(runnable) or 'none'}"
        )
    reasons = dict.fromkeys(reason for by_backend in runs.values() for reason in by_backend.values() if reason)
    return "\n".join([*lines, *(f"  note: {reason}" for reason in reasons)])


def _training(spec: TrainingSpec) -> list[str]:
    counts, held_out = sorted(spec.pictures.values()), sum(spec.held_out.values())
    each = f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    details = "" if spec.strength is None else f" of strength {spec.strength:g}"
    if spec.head == "average":
        details = " of several heads"
    return [
        f"  trained on {sum(counts)} pictures of {len(counts)} classes, {each} of each: {spec.head}{details} on the "
        f"features of {spec.extractor}",
        f"  accuracy {spec.cross_validated:.2%} in cross-validation, {spec.held_out_top1:.2%} on {held_out} pictures "
        "held out",
    ]


def _unknown(spec: UnknownSpec) -> str:
    return (
        f"  none of these: {_MEASURES[spec.measure]} below {spec.threshold:.4g}; this refuses about {spec.refused:.2%} "
        "of the pictures of its classes"
    )
