"""The manifest: sealed, strict, and readable by the literal text."""

import dataclasses
import json
from pathlib import Path

import pytest

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
        assert message.endswith(("; export or copy it again", "; upgrade mixer-edge"))


def test_a_missing_manifest_names_the_path(tmp_path: Path) -> None:
    """A folder without a manifest is no bundle."""
    path = tmp_path / MANIFEST_NAME
    assert read_error(tmp_path) == f"{path}: no such file; expected a bundle folder written by mixer-edge-export"


def test_a_newer_schema_asks_for_an_upgrade(tiny_bundle: Path, tmp_path: Path) -> None:
    """A bundle of a later program says so, rather than naming its first unknown field."""
    facts = json.loads((tiny_bundle / MANIFEST_NAME).read_bytes()) | {"schema_version": 2, "news": True}
    path = tmp_path / MANIFEST_NAME
    path.write_text(json.dumps(facts))
    assert read_error(tmp_path) == f"{path}: schema version 2, this program reads up to 1; upgrade mixer-edge"


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
    assert str(error.value) == f"{path}: missing, the manifest lists it; copy the bundle again"
