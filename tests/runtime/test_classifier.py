"""From pictures to labels, embeddings and streams of answers; alone and from several threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import LABELS

from mixer_edge import Answer, BundleError, Classifier, ImageError, InterpreterError, board
from mixer_edge.bundle import Bundle
from mixer_edge.classifier import LinearHead, is_none
from mixer_edge.decode import encode_jpeg
from mixer_edge.manifest import UnknownMeasure, UnknownSpec
from mixer_edge.metrics import softmax, unknown_score


@pytest.fixture(scope="module")
def classifier(tiny_bundle: Path) -> Iterator[Classifier]:
    """The int8 file of the tiny bundle."""
    with Classifier.load(tiny_bundle) as classifier:
        yield classifier


def pictures(count: int) -> list[np.ndarray]:
    """Return seeded pictures, ``[64, 64, 3]`` uint8: no resizing needed."""
    return list(np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), np.uint8))


def test_classify_gives_the_golden_answer(tiny_bundle: Path) -> None:
    """The labels and probabilities of a golden picture match the golden logits, for every variant."""
    bundle = Bundle.open(tiny_bundle)
    golden = bundle.golden()
    for variant in ("float32", "float16", "int8"):
        logits = golden[variant][0].astype(np.float32)
        with Classifier(bundle, variant) as classifier:
            answer = classifier.classify(golden["images"][0].astype(np.uint8), top_k=3)
        best = np.argsort(-logits)[:3]
        assert [category.index for category in answer] == list(best)
        assert [category.label for category in answer] == [LABELS[index] for index in best]
        np.testing.assert_array_equal([category.probability for category in answer], softmax(logits)[best])


def test_every_kind_of_source_gives_the_same_answer(classifier: Classifier, tmp_path: Path) -> None:
    """A path, its text, the bytes and an open file."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode_jpeg(pictures(1)[0]))
    expected = classifier.classify(path)
    assert classifier.classify(str(path)) == expected
    assert classifier.classify(path.read_bytes()) == expected
    with path.open("rb") as file:
        assert classifier.classify(file) == expected


def test_top_k_stops_at_the_number_of_classes(classifier: Classifier) -> None:
    """All classes are returned; their probabilities decrease and add up to one."""
    probabilities = [category.probability for category in classifier.classify(pictures(1)[0], top_k=99)]
    assert len(probabilities) == len(LABELS)
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1)


def test_an_integer_input_is_the_pixel_minus_128(classifier: Classifier, tiny_bundle: Path) -> None:
    """Every one of the 256 values, in int8, without loss; the float file gets pixel / 127.5 - 1."""
    pixels = np.resize(np.arange(256, dtype=np.uint8), (64, 64, 3))
    tensor = classifier.tensor_of_pixels(pixels)
    assert (tensor.shape, tensor.dtype) == ((1, 64, 64, 3), np.int8)
    np.testing.assert_array_equal(tensor[0], pixels.astype(int) - 128)
    with Classifier.load(tiny_bundle, "float32") as float_classifier:
        tensor = float_classifier.tensor_of_pixels(pixels)
    np.testing.assert_array_equal(tensor[0], pixels / np.float32(127.5) - np.float32(1))


def test_classify_many_answers_in_order_and_goes_on_after_an_error(classifier: Classifier, tmp_path: Path) -> None:
    """The answers are those of ``classify``, one by one; a missing file is an answer with an error."""
    missing = tmp_path / "none.jpg"
    images = [*pictures(20), missing, *pictures(2)]
    answers = list(classifier.classify_many(images, top_k=2, decoders=3))
    assert all(answer.image is image for answer, image in zip(answers, images, strict=True))
    for answer in answers:
        if answer.image is missing:
            assert (answer.categories, answer.none, str(answer.error)) == ((), False, f"{missing}: no such file")
        else:
            categories = tuple(classifier.classify(answer.image, 2))
            assert answer == Answer(image=answer.image, categories=categories, none=False, error=None)
            np.testing.assert_array_equal(answer.outputs, classifier.network(classifier.tensor(answer.image)))


@pytest.mark.parametrize(("measure", "value"), [("probability", 0.625), ("logit", 1.6094379), ("energy", 2.0794415)])
def test_below_the_threshold_it_is_none_of_the_classes(
    tiny_bundle: Path, measure: UnknownMeasure, value: float
) -> None:
    """Logits with odds of 1 to 2 to 5 and thresholds just below and just above; without a threshold never."""
    logits = np.log(np.array([1, 2, 5], np.float32))
    bundle = Bundle.open(tiny_bundle)
    assert not is_none(bundle, logits)
    for threshold, expected in ((value - 1e-6, False), (value + 1e-6, True)):
        unknown = UnknownSpec(measure=measure, threshold=threshold, refused=0.05)
        assert is_none(replace(bundle, manifest=replace(bundle.manifest, unknown=unknown)), logits) is expected


def test_an_answer_says_if_it_is_none_of_the_classes(tiny_bundle: Path) -> None:
    """The threshold is one picture's own measure: this one is not below it, others are; the categories stay."""
    images, bundle = pictures(9), Bundle.open(tiny_bundle)
    with Classifier(bundle, "int8") as classifier:
        measured = [unknown_score("energy", classifier.output(classifier.tensor(image))) for image in images]
        expected = [classifier.classify(image) for image in images]
    unknown = UnknownSpec(measure="energy", threshold=float(sorted(measured)[4]), refused=0.05)
    with Classifier(replace(bundle, manifest=replace(bundle.manifest, unknown=unknown)), "int8") as classifier:
        answers = [classifier.answer(image) for image in images]
        assert [classifier.classify(image) for image in images] == expected
        assert list(classifier.classify_many(images)) == answers
    assert [answer.none for answer in answers] == [score < unknown.threshold for score in measured]
    assert sum(answer.none for answer in answers) == 4
    assert [list(answer.categories) for answer in answers] == expected


def test_classify_many_takes_only_a_few_ahead(classifier: Classifier) -> None:
    """From an endless source it takes only what its decoders need, and its threads end when the caller stops."""
    taken = []

    def endless() -> Iterator[np.ndarray]:
        picture = pictures(1)[0]
        while True:
            taken.append(1)
            yield picture

    answers = classifier.classify_many(endless(), decoders=2)
    for _ in range(10):
        next(answers)
    assert 10 <= len(taken) <= 15
    answers.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_classify_many_decodes_on_every_usable_processor(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three processors of this process, so three decoders, however many the machine has."""
    monkeypatch.setattr(board.os, "sched_getaffinity", lambda pid: {0, 1, 5})
    answers = classifier.classify_many(pictures(20))
    next(answers)
    assert len([thread for thread in threading.enumerate() if thread.name.startswith("decode")]) == 3
    answers.close()  # type: ignore[attr-defined]


def test_one_classifier_serves_several_threads(classifier: Classifier) -> None:
    """Eight threads classify their own picture fifty times; every answer equals that of a single thread."""
    images = pictures(8)
    expected = [classifier.classify(image) for image in images]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: classifier.classify(images[number % 8]), range(400)))
    assert found == expected * 50


def test_embed_gives_the_golden_features(tiny_features: Path) -> None:
    """32 float32 features, those of the workstation."""
    golden = Bundle.open(tiny_features).golden()
    with Classifier.load(tiny_features, "float32") as extractor:
        features = extractor.embed(golden["images"][0].astype(np.uint8))
    assert (features.shape, features.dtype) == ((32,), np.float32)
    np.testing.assert_array_equal(features, golden["float32"][0])


def test_a_head_can_change_while_others_answer(tiny_features: Path) -> None:
    """The labels of an answer are always those of the head that gave it; without a head there are features again."""
    heads = [
        LinearHead(labels=labels, kernel=np.zeros((32, len(labels))), bias=np.arange(len(labels)) * 1.0, unknown=None)
        for labels in (("a", "b"), ("c", "d", "e"))
    ]
    best = {"b": 2, "e": 3}
    picture, stop = pictures(1)[0], threading.Event()
    with Classifier.load(tiny_features) as extractor:
        extractor.use_head(heads[0])

        def change() -> None:
            for number in range(100_000):
                if stop.is_set():
                    return
                extractor.use_head(heads[number % 2])

        changing = threading.Thread(target=change)
        changing.start()
        try:
            answers = [extractor.classify(picture) for _ in range(300)]
        finally:
            stop.set()
            changing.join()
        assert all(len(answer) == best[answer[0].label] for answer in answers)
        assert extractor.bundle.manifest.task == "classification"
        extractor.use_head(None)
        assert extractor.bundle is extractor.loaded
        assert extractor.outputs == len(extractor.embed(picture)) == 32


def test_the_wrong_method_names_the_right_one(classifier: Classifier, tiny_features: Path) -> None:
    """A classifier does not embed, an extractor does not classify; ``classify_many`` raises immediately."""
    picture = pictures(1)[0]
    with Classifier.load(tiny_features) as extractor:
        expected = f"{tiny_features}: made for embedding, not for classification; use embed()"
        with pytest.raises(BundleError) as error:
            extractor.classify(picture)
        assert str(error.value) == expected
        with pytest.raises(BundleError) as error:
            extractor.classify_many([picture])
        assert str(error.value) == expected
    with pytest.raises(BundleError) as error:
        classifier.embed(picture)
    folder = classifier.bundle.folder
    assert str(error.value) == f"{folder}: made for classification, not for embedding; use classify()"


def test_a_closed_classifier_says_so(tiny_bundle: Path) -> None:
    """After the ``with`` block the interpreter is closed."""
    with Classifier.load(tiny_bundle) as classifier:
        pass
    with pytest.raises(InterpreterError) as error:
        classifier.classify(pictures(1)[0])
    assert str(error.value) == "the interpreter was closed; load the bundle again"


def test_the_pixel_limit_is_the_callers(tiny_bundle: Path) -> None:
    """``max_pixels`` reaches the decoder."""
    with Classifier.load(tiny_bundle, max_pixels=100) as classifier, pytest.raises(ImageError) as error:
        classifier.classify(encode_jpeg(pictures(1)[0]))
    assert str(error.value) == "picture: 64 x 64 pixels, more than the limit of 100; raise it with --max-pixels"


def test_latencies_are_those_after_the_warm_up(classifier: Classifier) -> None:
    """The number of times is as requested, each above zero."""
    times = classifier.latencies_ms(3, warm_up=2)
    assert times.shape == (3,)
    assert (times > 0).all()
    assert classifier.latency_ms(3) > 0
