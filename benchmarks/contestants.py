"""Everything that is compared: our files, the stock tools' and the other tools', from the same weights and pictures.

Ours are made in every run. The others take minutes, so they are cached in the work folder until the weights, the
pictures, the code or the versions change.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import benchmarks.stock
import numpy as np
from benchmarks.measure import run
from benchmarks.stock import STOCK
from numpy.typing import NDArray

from mixer_edge.errors import InterpreterError
from mixer_edge.preprocess import Preprocessing, normalize
from mixer_edge.progress import progress
from mixer_edge_export.acceptance.runtimes import TFLITE, TFLITE_VERSION, find_runtimes, install_tflite
from mixer_edge_export.network import mixer
from mixer_edge_export.network.convert import convert_float
from mixer_edge_export.network.mixer import MixerWeights
from mixer_edge_export.quantize.activation_ranges import observe, tune
from mixer_edge_export.quantize.apply import quantize_model
from mixer_edge_export.quantize.half_precision import ENTRY, allow
from mixer_edge_export.quantize.layers import find_layers, keep_float
from mixer_edge_export.quantize.mixed_precision import BOUND_VARIANT
from mixer_edge_export.quantize.noise import noisiest_layers
from mixer_edge_export.quantize.variants import VARIANTS
from mixer_edge_export.sources.npz import save_npz
from mixer_edge_export.tflite.metadata import embed

PEERS = Path(__file__).parent / "peers"
REQUIREMENTS = PEERS / "requirements.txt"
FLOOR = "matrix products alone, float32"
PEER_FILES = {
    "ONNX Runtime float32": ("onnx", "float.onnx"),
    "ONNX Runtime static int8": ("onnx", "static.onnx"),
    "ONNX Runtime static int8, layers only": ("onnx", "layers.onnx"),
    "ONNX Runtime dynamic int8": ("onnx", "dynamic.onnx"),
    "OpenVINO float32": ("openvino", "float.xml"),
    "OpenVINO NNCF int8": ("openvino", "nncf.xml"),
    "PyTorch eager float32": ("torch", "weights.npz"),
    FLOOR: ("blas", "weights.npz"),
}
"""Name -> kind of worker and file."""
ON_TFLITE = ("float32", "int8")
SPEC = Preprocessing().spec(224)


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One network in one tool."""

    name: str
    kind: str
    """Of ``peers/worker.py``."""
    model: Path | str
    python: Path = Path(sys.executable)
    lossless: bool = False

    @property
    def computes_float(self) -> bool:
        """Whether it must agree with our float32 file to rounding."""
        return "int" not in self.name and "float16" not in self.name and self.name != FLOOR

    def command(self, threads: int) -> list[str]:
        """Return the command of its worker."""
        flags = ["--lossless"] if self.lossless else []
        return [str(self.python), str(PEERS / "worker.py"), self.kind, str(self.model), str(threads), *flags]


def peers_python(work: Path, requirements: Path = REQUIREMENTS) -> Path:
    """Return the Python of the peers' environment in ``work``; make it first if its pinned list has changed."""
    folder = work / f"peers-{hashlib.sha256(requirements.read_bytes()).hexdigest()[:8]}"
    python, complete = folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        print(f"making the peers' environment in {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", requirements], check=True)
        complete.touch()
    return python


def contestants(
    weights: MixerWeights,
    pixels: NDArray[np.uint8],
    work: Path,
    *,
    peers: Path | None,
    stock: Collection[str] = tuple(STOCK),
) -> list[Contestant]:
    """Return ours, then the others, all from the same weights.

    Args:
        weights: the model.
        pixels: ``[n, H, W, 3]`` uint8 to calibrate on.
        work: folder of the files.
        peers: Python of the peers' environment; None to omit them.
        stock: names of the stock tools' files.
    """
    images = normalize(pixels, SPEC)
    own = [
        Contestant(name=name, kind="litert", model=path, lossless=VARIANTS[name].calibrated)
        for name, path in write_ours(weights, images, work / "ours").items()
    ]
    inputs = hashlib.sha256(weights.fingerprint().encode() + pixels.tobytes()).hexdigest()
    found = own + on_tflite(own)
    versions = [version(tool) for tool in ("tensorflow", "ai-edge-quantizer")]
    key = "".join([inputs, *versions, *(Path(module.__file__).read_text() for module in (benchmarks.stock, mixer))])
    save_npz(weights, work / "weights.npz")
    np.save(work / "calibration.npy", images)
    for name in progress(stock, "stock tools' files"):
        source = [sys.executable, "-m", "benchmarks.stock", name, work / "weights.npz", work / "calibration.npy"]
        folder = cached(
            work / name.replace(" ", "_").replace(",", ""),
            key,
            lambda folder, source=source: run(*source, folder / "model.tflite"),
        )
        found.append(Contestant(name=name, kind="litert", model=folder / "model.tflite"))
    return found if peers is None else found + others(work, inputs, peers)


def write_ours(weights: MixerWeights, images: NDArray[np.float32], folder: Path) -> dict[str, Path]:
    """Write every variant, calibrated on ``[n, H, W, 3]`` images in [-1, 1], and return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    float_model = embed(convert_float(weights), ENTRY)
    observed = observe(float_model, (image[np.newaxis] for image in images), len(images))
    ranges = tune(observed)
    layers = noisiest_layers(float_model, find_layers(float_model, asdict(weights.config)), observed, ranges)
    paths = {}
    for name, variant in progress(VARIANTS.items(), "our files"):
        paths[name] = folder / f"{name}.tflite"
        kept = layers if name == BOUND_VARIANT else ()
        model = quantize_model(float_model, keep_float(variant, kept), ranges)
        paths[name].write_bytes(allow(model) if variant.half else model)
    return paths


def on_tflite(own: list[Contestant]) -> list[Contestant]:
    """Return the variants that work on tflite-runtime, with that runtime; none if no Python here has a wheel for it."""
    try:
        install_tflite()
    except InterpreterError as error:
        print(f"left out: {error}", file=sys.stderr)
        return []
    (python,) = [runtime.python for runtime in find_runtimes() if runtime.name == TFLITE]
    return [
        replace(one, name=f"{one.name} on {TFLITE} {TFLITE_VERSION}", kind="tflite", python=python)
        for one in own
        if one.name in ON_TFLITE
    ]


def others(work: Path, inputs: str, python: Path) -> list[Contestant]:
    """Return the peers' files, made in the peers' environment from the weights and images in the work folder."""
    scripts = [PEERS / "onnx_files.py", PEERS / "openvino_files.py"]
    folder = peer_files(work, inputs, python, scripts)
    return [
        Contestant(name=name, kind=kind, model=folder / file, python=python)
        for name, (kind, file) in PEER_FILES.items()
    ]


def peer_files(
    work: Path, inputs: str, python: Path, scripts: Sequence[Path], requirements: Path = REQUIREMENTS
) -> Path:
    """Return the folder of the files that scripts of ``peers`` make.

    Args:
        work: folder with ``weights.npz`` and ``calibration.npy``.
        inputs: a digest of both.
        python: of the environment.
        scripts: each writes its files into a folder with both.
        requirements: of the environment.
    """

    def make(folder: Path) -> None:
        for source in ("weights.npz", "calibration.npy"):
            shutil.copy(work / source, folder)
        for script in scripts:
            run(python, script, folder)

    print("peers' files", file=sys.stderr)
    return cached(work / "peers", inputs + "".join(path.read_text() for path in [requirements, *scripts]), make)


def cached(folder: Path, key: str, make: Callable[[Path], object]) -> Path:
    """Return the folder that ``make`` filled, in this run or in an earlier one with the same key."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    mark = folder / "key"
    if not mark.exists() or mark.read_text() != digest:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            partial = Path(temporary) / folder.name
            partial.mkdir()
            make(partial)
            (partial / mark.name).write_text(digest)
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
    return folder
