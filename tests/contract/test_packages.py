"""Both wheels: one version, and the dependency between them."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import mixer_edge
import mixer_edge_export

ROOT = Path(__file__).parents[2]


def test_the_export_depends_on_the_runtime_of_its_own_version(tmp_path: Path) -> None:
    """The version is defined in one place, and the dependency has the same."""
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT / "export")]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (metadata_name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        metadata = archive.read(metadata_name).decode()
        names = archive.namelist()
    version = mixer_edge.__version__
    assert mixer_edge_export.__version__ == version
    assert f"\nVersion: {version}\n" in metadata
    assert f"\nRequires-Dist: mixer-edge[litert]=={version}\n" in metadata
    source = ROOT / "export" / "src"
    info = metadata_name.removesuffix("METADATA")
    files = [str(path.relative_to(source)) for path in source.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sorted(names) == sorted(
        [*files, *(f"{info}{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt"))]
    )
    assert {"mixer_edge_export/digits/digits.npz", "mixer_edge_export/py.typed"} <= set(files)


def test_constraints_hold_versions_and_no_addresses() -> None:
    """Every line is ``name==version``."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 50
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==\d[\w.]*", pin)] == []


def test_importlinter_keeps_the_directions() -> None:
    """The import rules in pyproject.toml hold."""
    command = [str(Path(sys.executable).parent / "lint-imports")]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
