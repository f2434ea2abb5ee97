"""One package reads and writes the insides of a ``.tflite`` file."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("runtime/src", "export/src", "benchmarks", "emulator")
INSIDES = ("schema_py_generated", "flatbuffers", "flatbuffer_utils", "_get_ops_details")
"""The schema, what walks it, and the interpreter's private list of operators."""


def test_only_tflite_knows_the_insides_of_a_file() -> None:
    """import-linter sees all of ai_edge_litert as one module; the words in the sources say which part is used."""
    found = {
        str(path.relative_to(ROOT))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        if any(word in path.read_text("utf-8") for word in INSIDES)
    }
    assert found == {f"export/src/mixer_edge_export/tflite/{name}.py" for name in ("graph", "inspect", "metadata")}
