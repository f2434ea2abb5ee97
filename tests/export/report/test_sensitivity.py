"""The sensitivity of the layers, read from the output of its command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mixer_edge.errors import DataError
from mixer_edge_export.report.sensitivity import LayerBar, read_sensitivity


def test_the_most_sensitive_layer_comes_first(tmp_path: Path) -> None:
    """Sorted by the loss of the layer alone, ties by name."""
    values = {"stem": 0.25, "head": 0.5, "b": 0.25}
    layers = [{"name": name, "alone": {"kl_divergence": value}} for name, value in values.items()]
    (tmp_path / "a.json").write_text(json.dumps({"layers": layers}))
    assert read_sensitivity(tmp_path / "a.json") == (
        LayerBar(name="head", value=0.5),
        LayerBar(name="b", value=0.25),
        LayerBar(name="stem", value=0.25),
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{}", "KeyError('layers')"),
        ('{"layers": [{"name": "stem"}]}', "KeyError('alone')"),
        ("[]", "TypeError('list indices must be integers or slices, not str')"),
        ("half", "JSONDecodeError('Expecting value: line 1 column 1 (char 0)')"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    """No layers, layers without figures, another document, and no JSON."""
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(DataError) as raised:
        read_sensitivity(path)
    assert str(raised.value) == f"{path}: cannot be read ({reason}); expected the output of sensitivity --json"
