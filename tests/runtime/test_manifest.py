"""The manifest: sealed, strict, and readable by the literal text."""

import dataclasses
import json
from pathlib import Path

import pytest
from tests.contract.formats import manifest

from mixer_edge.errors import BundleError
from mixer_edge.manifest import (
    MANIFEST_NAME,
    FileSpec,
    Manifest,
)


def read_error(folder: Path) -> str:
    """Return the message with which the folder's manifest is refused."""
    with pytest.raises(BundleError) as error:
        Manifest.read(folder)
    return str(error.value)


def test_a_manifest_survives_writing_and_reading(tiny_bundle: Path, tmp_path: Path) -> None:
    """What is read equals what was written, fingerprint included."""
    manifest = Manifest.read(tiny_bundle)
    (tmp_path / MANIFEST_NAME).write_bytes(manifest.to_bytes())
    assert Manifest.read(tmp_path) == manifest
    assert json.loads(manifest.to_bytes())["fingerprint"] == manifest.fingerprint()


def test_every_flipped_byte_of_a_manifest_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    """Each byte is flipped in turn, by its lowest bit, and no such file is read; one variant stands for all."""
    manifest = Manifest.read(tiny_bundle)
    content = dataclasses.replace(manifest, variants=manifest.variants[2:3]).to_bytes()
    path = tmp_path / MANIFEST_NAME
    path.write_bytes(content)
    assert [variant.name for variant in Manifest.read(tmp_path).variants] == ["int8"]
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        message = read_error(tmp_path)
        assert message.startswith(f"{path}: ")
        assert message.endswith(
            ("; export or copy it again", "; export it again", "; upgrade mixer-edge", "; upgrade this one")
        )


def test_a_missing_manifest_names_the_path(tmp_path: Path) -> None:
    """A folder without a manifest is no bundle."""
    path = tmp_path / MANIFEST_NAME
    assert read_error(tmp_path) == f"{path}: no such file; expected a bundle folder written by mixer-edge-export"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[]", "the document is list, expected an object"),
        (b"{}", "no field 'schema_version'"),
        (b'{"schema_version": "1"}', "field 'schema_version' is \"1\", expected int"),
        (b"[" * 100_000, "maximum recursion depth exceeded while decoding a JSON array from a unicode string"),
        (b"\xff", "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)
def test_what_is_no_manifest_is_refused_in_one_line(content: bytes, reason: str, tmp_path: Path) -> None:
    """Whatever stands in the file, the message is the path, the reason and what to do."""
    path = tmp_path / MANIFEST_NAME
    path.write_bytes(content)
    assert (
        read_error(tmp_path) == f"{path}: not a manifest that this program can read ({reason}); export or copy it again"
    )


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("rebuilt_error", float("nan"), "field 'source.rebuilt_error' is NaN, expected float"),
        ("rebuilt_error", 10**400, f"field 'source.rebuilt_error' is 1{'0' * 59}, expected float"),
        (
            "location",
            "\ud800",
            "'utf-8' codec can't encode character '\\ud800' in position 127: surrogates not allowed",
        ),
    ],
)
def test_a_value_that_no_file_can_hold_is_refused(field: str, value: object, reason: str, tmp_path: Path) -> None:
    """Python reads NaN, endless integers and half characters, but a manifest never has them."""
    facts = json.loads(manifest().to_bytes())
    facts["source"][field] = value
    path = tmp_path / MANIFEST_NAME
    path.write_text(json.dumps(facts))
    assert (
        read_error(tmp_path) == f"{path}: not a manifest that this program can read ({reason}); export or copy it again"
    )


def test_an_unknown_variant_lists_those_there_are(tiny_bundle: Path) -> None:
    """The message names what could be asked for."""
    manifest = Manifest.read(tiny_bundle)
    names = ", ".join(variant.name for variant in manifest.variants)
    with pytest.raises(BundleError) as error:
        manifest.variant("int3")
    assert str(error.value) == f"no variant 'int3' in this bundle; it has {names}"


def test_the_files_are_those_that_running_and_verifying_takes(tiny_bundle: Path, tiny_features: Path) -> None:
    """Every variant's, the golden vectors, and the labels where there are some; not the calibration's record."""
    manifest = Manifest.read(tiny_bundle)
    models = [f"{variant.name}.tflite" for variant in manifest.variants]
    assert [file.name for file in manifest.files()] == [*models, "golden.npz", "labels.txt"]
    assert [file.name for file in Manifest.read(tiny_features).files()] == [*models, "golden.npz"]


def test_a_file_is_checked_by_size_and_sha256(tmp_path: Path) -> None:
    """A missing, a longer and a changed file are each refused by path; sha256 of 'abc' is the published one."""
    path = tmp_path / "a.tflite"
    path.write_bytes(b"abc")
    spec = FileSpec.of(path)
    assert dataclasses.astuple(spec) == (
        "a.tflite",
        3,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    )
    assert spec.check(tmp_path) == path
    for content in (b"abcd", b"abd"):
        path.write_bytes(content)
        with pytest.raises(BundleError) as error:
            spec.check(tmp_path)
        assert str(error.value) == f"{path}: damaged, its sha256 is not the manifest's; copy the bundle again"
    path.unlink()
    with pytest.raises(BundleError) as error:
        spec.check(tmp_path)
    assert str(error.value) == f"{path}: missing, but the manifest lists it; copy the bundle again"
