"""Pictures for the state of what was taught, drawn without a network, and its contents, for the tests."""

from __future__ import annotations

import hashlib

import numpy as np

from mixer_edge.head import Statistics
from mixer_edge.preprocess import Preprocessing
from mixer_edge.teach.folder import Extractor
from mixer_edge.teach.state import Picture
from mixer_edge.teach.sums import Sums, feature_rows, read_sums
from mixer_edge.teach.tables import TAUGHT

FEATURES = 6
EXTRACTOR = Extractor(
    fingerprint="f" * 64, name="drawn", variant="int8", file_sha256="a" * 64, preprocess=Preprocessing().spec(32)
)


def draw(number: int, place: float = 0.0) -> Picture:
    """Return picture ``number``, with normally distributed features around a place."""
    features = np.random.default_rng(number).normal(place, 1, FEATURES).astype(np.float32)
    content = b"picture %d" % number
    return Picture(content=content, name=f"{number}.png", digest=hashlib.sha256(content).hexdigest(), features=features)


def contents(extractor: Extractor = EXTRACTOR) -> dict[str, str]:
    """Return the class of every picture, by its name."""
    with TAUGHT.reading(extractor.folder) as database:
        assert database is not None
        query = "SELECT pictures.name, classes.name FROM pictures JOIN classes ON classes.id = class"
        return dict(database.execute(query))


def sums_and_pictures(extractor: Extractor = EXTRACTOR) -> tuple[Sums | None, np.ndarray, np.ndarray]:
    """Return the sums, and the classes and features that they should be of."""
    with TAUGHT.reading(extractor.folder) as database:
        assert database is not None
        batches = list(feature_rows(database))
        if not batches:
            return read_sums(database), np.zeros(0, np.int64), np.zeros((0, FEATURES), np.float32)
        _, classes, features = zip(*batches, strict=True)
        return read_sums(database), np.concatenate(classes), np.concatenate(features)


def check(expected: list[dict[str, str]], extractor: Extractor = EXTRACTOR) -> dict[str, str]:
    """Check what is there, files and sums included, and return it."""
    with TAUGHT.writing(extractor.folder) as change:
        files = [file for (file,) in change.database.execute("SELECT file FROM pictures ORDER BY file")]
    assert sorted(path.name for path in (extractor.folder / "pictures").iterdir()) == files
    assert list((extractor.folder / "pending").iterdir()) == []
    found = contents(extractor)
    assert found in expected, (found, expected)
    sums, classes, features = sums_and_pictures(extractor)
    if sums is None:
        assert found == {}
    else:
        anew = Statistics.of(features, np.searchsorted(sums.ids, classes), len(sums.ids))
        assert sorted(set(found.values())) == sorted(sums.names)
        np.testing.assert_array_equal(sums.statistics.counts, anew.counts)
        np.testing.assert_allclose(sums.statistics.sums, anew.sums, atol=1e-9)
        np.testing.assert_allclose(sums.statistics.gram, anew.gram, atol=1e-9)
    return found
