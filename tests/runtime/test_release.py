"""The exact content of release.json: boards keep it from one version of the program to the next."""

from __future__ import annotations

import pytest

from mixer_edge.release import Release
from mixer_edge.strict_json import line, read

RELEASE = Release(
    name="digits",
    task="classification",
    bundle="ab" * 32,
    variant="int8",
    backend="ai-edge-litert",
    python="3.11",
    mixer_edge="0.1.0",
    threads=2,
)
WRITTEN = (
    '{"schema_version": 2, "name": "digits", "task": "classification", "bundle": "' + "ab" * 32 + '", '
    '"variant": "int8", "backend": "ai-edge-litert", "python": "3.11", "mixer_edge": "0.1.0", "threads": 2}'
)


def test_a_release_is_written_and_read_so() -> None:
    """Every field, by name."""
    assert line(RELEASE) == WRITTEN
    assert read(Release, WRITTEN) == RELEASE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            WRITTEN.replace('"schema_version": 2', '"schema_version": 3, "news": []'),
            "field 'schema_version' is 3, this program knows 2",
        ),
        (
            WRITTEN.replace('"schema_version": 2', '"schema_version": 1').replace(', "threads": 2', ""),
            "field 'schema_version' is 1, this program knows 2",
        ),
        (WRITTEN.replace('"schema_version": 2, ', ""), "no field 'schema_version'"),
        (WRITTEN.replace("mixer_edge", "mixer-edge"), "unknown field 'mixer-edge'"),
        (WRITTEN[:35], "not JSON: Unterminated string starting at: line 1 column 31 (char 30)"),
    ],
)
def test_another_version_or_half_a_file_is_refused(text: str, message: str) -> None:
    """Newer, older, and cut."""
    with pytest.raises(ValueError) as error:
        read(Release, text)
    assert str(error.value) == message
