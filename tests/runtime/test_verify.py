"""Golden vectors on this machine: bit-equal, close to the workstation's, or wrong."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import reseal
from tests.contract.formats import manifest

from mixer_edge.bundle import Bundle
from mixer_edge.errors import BundleError
from mixer_edge.manifest import FileSpec
from mixer_edge.strict_json import line, read
from mixer_edge.verify import Verification, check_files, verify


def with_golden(bundle: Path, monkeypatch: pytest.MonkeyPatch, **outputs: np.ndarray | None) -> Bundle:
    """Return the bundle with other golden outputs; None removes a variant's."""
    opened = Bundle.open(bundle)
    golden = opened.golden()
    for name, output in outputs.items():
        if output is None:
            del golden[name]
        else:
            golden[name] = output
    monkeypatch.setattr(Bundle, "golden", lambda _: golden)
    return opened


def test_on_the_workstation_every_variant_is_bit_equal(tiny_bundle: Path) -> None:
    """The same interpreter on the same machine."""
    bundle = Bundle.open(tiny_bundle)
    for variant in bundle.manifest.variants:
        result = verify(bundle, variant.name)
        assert (result.bit_equal, result.passed, result.max_error) == (True, True, 0)
        assert (result.top_1_equal, result.count) == (4, 4)


@pytest.mark.parametrize(("variant", "tolerance"), [("float32", 1e-3), ("int8", 0.1)])
def test_a_difference_counts_as_a_part_of_the_largest_output(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, variant: str, tolerance: float
) -> None:
    """Just below the tolerance passes, just above it fails; neither is bit-equal."""
    expected = Bundle.open(tiny_bundle).golden()[variant].astype(np.float32)
    place = np.unravel_index(np.abs(expected).argmin(), expected.shape)
    for factor, passed in ((0.95, True), (1.05, False)):
        moved = expected.copy()
        moved[place] += np.abs(expected).max() * tolerance * factor
        result = verify(with_golden(tiny_bundle, monkeypatch, **{variant: moved}), variant)
        assert (result.bit_equal, result.passed, result.tolerance) == (False, passed, tolerance)
        assert result.max_error == pytest.approx(tolerance * factor, rel=1e-3)


def test_the_tolerance_is_the_manifests(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a tolerance of zero, the smallest difference fails."""
    reseal(bundle, lambda facts: [variant.update(tolerance=0.0) for variant in facts["variants"]])
    moved = Bundle.open(bundle).golden()["float32"] + np.float32(1e-6)
    result = verify(with_golden(bundle, monkeypatch, float32=moved), "float32")
    assert (result.passed, result.tolerance) == (False, 0.0)


def test_golden_outputs_that_are_not_finite_fail(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN never passes, and is null in JSON."""
    nan = np.full((4, 10), np.nan, np.float32)
    result = verify(with_golden(tiny_bundle, monkeypatch, int8=nan), "int8")
    assert (result.passed, result.max_error) == (False, None)
    assert result.difference == "gives an output that is not a number"
    assert read(Verification, line(result)) == result


def test_a_variant_without_golden_outputs_is_refused(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without golden outputs there is an error, not a success."""
    bundle = with_golden(tiny_bundle, monkeypatch, int8=None)
    with pytest.raises(BundleError) as error:
        verify(bundle, "int8")
    assert str(error.value) == f"{tiny_bundle}: no golden outputs for int8; export it again"


def test_the_record_of_a_training_is_checked_if_it_is_there(bundle: Path) -> None:
    """A copy of the bundle may lack it; where it is, its sha256 is the manifest's."""
    training = manifest().training
    assert training is not None
    path, count = bundle / "training.json", check_files(Bundle.open(bundle))
    path.write_bytes(b"{}")
    spec = replace(training, file=FileSpec.of(path))
    reseal(bundle, lambda facts: facts.update(training=asdict(spec)))
    assert check_files(Bundle.open(bundle)) == count + 1
    path.write_bytes(b"[]")
    with pytest.raises(BundleError) as error:
        check_files(Bundle.open(bundle))
    assert str(error.value) == f"{path}: damaged, its sha256 is not the manifest's; copy the bundle again"
    path.unlink()
    assert check_files(Bundle.open(bundle)) == count
