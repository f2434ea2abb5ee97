"""The runtime alone: its wheel in fresh environments, both interpreters, the same golden vectors, no TensorFlow."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.environments import PIP, clean_environment, kept_environment, run

from mixer_edge.bundle import Bundle

ROOT = Path(__file__).parents[2]
CONSTRAINTS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)

PROGRAM = """
import hashlib, importlib.util, json, sys
from pathlib import Path
from mixer_edge import Classifier
from mixer_edge.preprocess import Preprocessing, load_pixels
bundle, pictures = sys.argv[1:]
kinds = Preprocessing(), Preprocessing(geometry="resize-crop"), Preprocessing(antialias=False)
specs = [kind.spec(56) for kind in kinds]
paths = sorted(Path(pictures).iterdir())
arrays = {path.name: [load_pixels(path, spec) for spec in specs] for path in paths}
pixels = {name: [hashlib.sha256(array.tobytes()).hexdigest() for array in row] for name, row in arrays.items()}
with Classifier.load(bundle, "float32") as classifier:
    labels = [answer.categories[0].label for answer in classifier.classify_many(paths, 1)]
heavy = [name for name in ("tensorflow", "mixer_edge_export", "scipy", "sklearn") if importlib.util.find_spec(name)]
print(json.dumps({"pixels": pixels, "labels": labels, "heavy": heavy, "file": sys.modules["mixer_edge"].__file__}))
"""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The packages that a device may have besides the wheel, and its Python."""

    extra: str
    versions: tuple[str, ...]
    pythons: tuple[str, ...]


ENVIRONMENTS = {
    "litert": Environment(
        extra="litert",
        versions=tuple(f"{name}=={CONSTRAINTS[name]}" for name in ("ai-edge-litert", "numpy", "pillow")),
        pythons=("python3.11", "python3.12", "python3.13"),
    ),
    "tflite": Environment(
        extra="tflite",
        versions=("tflite-runtime==2.14.0", "numpy==1.26.4", f"pillow=={CONSTRAINTS['pillow']}"),
        pythons=("python3.11",),
    ),
    # numpy and Pillow as Debian 12 has them: what a 32-bit Pi gets, for which the index has no wheels of them
    "oldest": Environment(
        extra="tflite",
        versions=("tflite-runtime==2.14.0", "numpy==1.24.2", "pillow==9.4.0"),
        pythons=("python3.11",),
    ),
}


def find_python(names: tuple[str, ...]) -> str:
    """Return the first of these interpreters that is there, this one before those on the PATH."""
    if f"python3.{sys.version_info.minor}" in names:
        return sys.executable
    for name in names:
        path = shutil.which(name)
        if path and subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0:
            return path
    return pytest.skip(f"tflite-runtime has wheels up to Python 3.11; needs {' or '.join(names)} on the PATH")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runtime's wheel, built from a copy without anything that git does not track."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "runtime", folder / "runtime", ignore=shutil.ignore_patterns("__pycache__"))
    run([sys.executable, "-m", "build", "--wheel", "--outdir", folder, folder / "runtime"])
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session", params=ENVIRONMENTS)
def device(request: pytest.FixtureRequest, wheel: Path) -> tuple[str, Path]:
    """An environment's name and Python, made from the package index once and kept under ``build``; the wheel is new."""
    environment = ENVIRONMENTS[request.param]
    python = kept_environment(request.param, *environment.versions, python=find_python(environment.pythons))
    run([python, *PIP, "uninstall", "--yes", "mixer-edge"])
    run([python, *PIP, "install", f"mixer-edge[{environment.extra}] @ {wheel.as_uri()}", *environment.versions])
    run([python, *PIP, "check"])
    return request.param, python


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of seeded pictures, large and small, of several kinds."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8)).resize((1203, 901), Image.Resampling.BICUBIC)
    grain = rng.normal(0, 8, (901, 1203, 3))
    photo = Image.fromarray((np.asarray(coarse) + grain).clip(0, 255).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds: list[tuple[str, Image.Image, dict[str, Any]]] = [
        ("large.jpg", photo, {"quality": 90}),
        ("turned.jpg", photo, {"quality": 90, "exif": exif}),
        ("progressive.jpg", photo, {"quality": 80, "progressive": True}),
        ("sharp.jpg", photo, {"quality": 95, "subsampling": 0}),
        ("cmyk.jpg", photo.convert("CMYK"), {}),
        ("small.jpg", photo.resize((90, 70)), {"quality": 90}),
        ("photo.png", photo.resize((300, 200)), {}),
        ("alpha.png", Image.fromarray(rng.integers(0, 256, (70, 90, 4), np.uint8)), {}),
        ("deep.png", Image.fromarray(rng.integers(0, 65536, (70, 90), np.uint16)), {}),
        ("palette.gif", photo.resize((90, 70)).quantize(32), {}),
        ("photo.webp", photo.resize((90, 70)), {"lossless": True}),
        ("photo.tiff", photo.resize((90, 70)), {"compression": "tiff_lzw"}),
    ]
    for name, image, options in kinds:
        image.save(folder / name, **options)
    return folder


def test_the_wheel_alone_computes_the_golden_vectors(
    device: tuple[str, Path], tiny_bundle: Path, tiny_features: Path
) -> None:
    """``verify`` in every environment; with the workstation's own interpreter to the last bit.

    tflite-runtime 2.14 computes something else with ``int8-dynamic`` and refuses ``int16-integer``: both are found.
    """
    name, python = device
    for bundle in (tiny_bundle, tiny_features):
        command = [python.with_name("mixer-edge"), "verify", bundle, "--json"]
        result = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), check=False)
        assert result.returncode == (0 if name == "litert" else 1), result.stderr
        facts = json.loads(result.stdout)
        passed = [variant["variant"] for variant in facts["variants"] if variant["passed"]]
        failed = [variant["variant"] for variant in facts["variants"] if not variant["passed"]]
        if name == "litert":
            assert passed == ["float32", "float16", "int8", "int8-dynamic", "int8-integer", "int16-integer"]
            assert all(variant["bit_equal"] for variant in facts["variants"])
        else:
            assert passed == ["float32", "float16", "int8", "int8-integer"]
            assert (failed, list(facts["skipped"])) == (["int8-dynamic"], ["int16-integer"])
        backend = "ai-edge-litert" if name == "litert" else "tflite-runtime"
        assert {variant["backend"] for variant in facts["variants"]} == {backend}


def test_pictures_become_the_same_pixels_everywhere(
    device: tuple[str, Path], tiny_bundle: Path, pictures: Path, tmp_path: Path
) -> None:
    """Every kind of picture under every geometry: the same bytes and labels as here, without TensorFlow."""
    _, python = device
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    there = json.loads(run([python, script, tiny_bundle, pictures]))
    here = json.loads(
        subprocess.run(
            [sys.executable, script, tiny_bundle, pictures], capture_output=True, text=True, check=True
        ).stdout
    )
    assert there["pixels"] == here["pixels"]
    assert there["labels"] == here["labels"]
    assert there["heavy"] == []
    assert Path(there["file"]).is_relative_to(python.parents[1])


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """Every module and page that the source tree holds, the marker of its types, and the metadata."""
    with zipfile.ZipFile(wheel) as archive:
        names = sorted(archive.namelist())
        metadata = next(archive.read(name).decode() for name in names if name.endswith("/METADATA"))
    source = ROOT / "runtime" / "src"
    info = wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    files = [path for pattern in ("*.py", "*.html") for path in source.rglob(pattern)]
    expected = [str(path.relative_to(source)) for path in files] + ["mixer_edge/py.typed"]
    expected += [f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")]
    assert names == sorted(expected)
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist: ") and "extra" not in line]
    assert required == ["Requires-Dist: numpy>=1.24", "Requires-Dist: pillow>=9.4"]


def test_the_command_runs_where_tensorflow_cannot_be_imported(tiny_bundle: Path) -> None:
    """With ``sys.modules["tensorflow"] = None`` every import of it raises."""
    picture = io.BytesIO()
    Image.new("RGB", (80, 60), (1, 2, 3)).save(picture, "PNG")
    program = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from mixer_edge.cli import main\n"
        f"sys.exit(main(['classify', {str(tiny_bundle)!r}, '-']) or main(['verify', {str(tiny_bundle)!r}]))"
    )
    result = subprocess.run([sys.executable, "-c", program], input=picture.getvalue(), capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(b"bit-equal") == len(Bundle.open(tiny_bundle).manifest.variants)
