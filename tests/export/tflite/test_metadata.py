"""TFLite Metadata, read back by others: zipfile, the schema that MediaPipe ships, and MediaPipe Tasks itself."""

import dataclasses
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import LABELS
from tests.environments import kept_environment, run
from tests.export.tflite.hand_made import FULLY_CONNECTED, buffer, code, model, operator, pack, tensor

from mixer_edge import Classifier
from mixer_edge.errors import ModelError
from mixer_edge.preprocess import Preprocessing
from mixer_edge_export.quantize.variants import VARIANTS
from mixer_edge_export.tflite.graph import Graph
from mixer_edge_export.tflite.metadata import NAME, attach, describe, embed, replace


def test_labels_stand_in_an_archive_behind_the_model(tiny_bundle: Path, tiny_features: Path) -> None:
    """Every file of a classifier is a zip archive of its labels; a feature extractor's has none."""
    for name in VARIANTS:
        with zipfile.ZipFile(tiny_bundle / f"{name}.tflite") as archive:
            assert archive.namelist() == ["labels.txt"]
            assert archive.read("labels.txt").decode().splitlines() == list(LABELS)
    assert [name for name in VARIANTS if zipfile.is_zipfile(tiny_features / f"{name}.tflite")] == []


def test_the_same_labels_give_the_same_bytes_on_any_day() -> None:
    """The archive contains no date."""
    content = attach(b"model", {"labels.txt": b"ant\n"})
    assert content == attach(b"model", {"labels.txt": b"ant\n"})
    assert content.startswith(b"modelPK")


def test_metadata_of_another_input_have_the_same_length() -> None:
    """Only numbers differ, so one can replace the other in a finished file."""
    plain = Preprocessing().spec(64)
    first = describe("m", plain, has_labels=True, task="classification")
    other = describe("m", dataclasses.replace(plain, offset=-0.5), has_labels=True, task="classification")
    assert first != other
    assert replace(b"a" + first + b"z", first, other) == b"a" + other + b"z"


def test_embedded_metadata_leave_the_graph_as_it_is() -> None:
    """Operators, tensors and constants are the same, and the metadata are in the file once."""
    kernel = np.arange(6, dtype=np.float32).reshape(3, 2)
    tensors = [tensor("in", (1, 2)), tensor("kernel", (3, 2), 1), tensor("out", (1, 3))]
    dense = operator(0, (0, 1, -1), (2,))
    plain = pack(model(tensors, [buffer(kernel)], [code(FULLY_CONNECTED, 1)], [dense], inputs=(0,), outputs=(2,)))
    content = embed(plain, {NAME: b"some metadata"})
    assert Graph.read(content) == Graph.read(plain)
    np.testing.assert_array_equal(Graph.read(content).tensors[1].values, kernel)
    assert (content.count(b"some metadata"), content.count(b"TFLITE_METADATA")) == (1, 1)


def test_lost_metadata_are_an_error() -> None:
    """It is an error if a tool drops the metadata."""
    with pytest.raises(ModelError) as error:
        replace(b"model", b"old", b"new")
    assert str(error.value) == "quantization dropped the metadata of the float32 file; expected it unchanged"


LINES = Path(__file__).with_name("mediapipe-requirements.txt").read_text("utf-8").splitlines()
REQUIREMENTS = [line for line in LINES if not line.startswith("#")]
CLASSIFY = """
import sys
import numpy as np, mediapipe as mp
from mediapipe.tasks.python import BaseOptions, vision
for path in sys.argv[2:]:
    # unless told otherwise, MediaPipe leaves out scores below 0, which half of the logits are
    options = vision.ImageClassifierOptions(base_options=BaseOptions(model_asset_path=path), score_threshold=-100)
    with vision.ImageClassifier.create_from_options(options) as classifier:
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.load(sys.argv[1]))
        for category in classifier.classify(image).classifications[0].categories:
            print(category.category_name, category.index, category.score)
"""


@pytest.fixture(scope="session")
def mediapipe() -> Path:
    """Return the Python of an environment with only MediaPipe."""
    return kept_environment("mediapipe", "--no-deps", *REQUIREMENTS)


def test_mediapipe_tasks_classifies_with_the_file_alone(tiny_bundle: Path, mediapipe: Path, tmp_path: Path) -> None:
    """Labels and logits equal ours: MediaPipe reads size, normalization and labels only from the file."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    np.save(tmp_path / "pixels.npy", pixels)
    printed = run([mediapipe, "-c", CLASSIFY, tmp_path / "pixels.npy", tiny_bundle / "float32.tflite"])
    answers = [line.rsplit(" ", 2) for line in printed.splitlines()]
    assert [name for name, _, _ in sorted(answers, key=lambda answer: int(answer[1]))] == list(LABELS)
    classifier = Classifier.load(tiny_bundle, "float32")
    expected = classifier.output(classifier.tensor_of_pixels(pixels))
    for _, index, score in answers:
        assert float(score) == pytest.approx(expected[int(index)], abs=1e-4)


READ = """
import sys, json
from pathlib import Path
from mediapipe.tasks.metadata import metadata_schema_py_generated as schema, schema_py_generated as tflite
content = Path(sys.argv[1]).read_bytes()
model = tflite.Model.GetRootAsModel(content, 0)
entries = [model.Metadata(i) for i in range(model.MetadataLength())]
(entry,) = [entry for entry in entries if entry.Name() == b"TFLITE_METADATA"]
found = schema.ModelMetadataT.InitFromObj(
    schema.ModelMetadata.GetRootAs(model.Buffers(entry.Buffer()).DataAsNumpy().tobytes(), 0))
graph = found.subgraphMetadata[0]
(tensor,), (output,) = graph.inputTensorMetadata, graph.outputTensorMetadata
size = tensor.content.contentProperties.defaultSize
options = tensor.processUnits[0].options
print(json.dumps({
    "name": found.name.decode(), "description": found.description.decode(),
    "mean": list(map(float, options.mean)), "std": list(map(float, options.std)), "size": [size.width, size.height],
    "labels": [file.name.decode() for file in output.associatedFiles or []]}))
"""


@pytest.mark.parametrize(("variant", "mean"), [("float32", 127.5), ("int8-dynamic", 127.5), ("int8", 128.0)])
def test_the_schema_of_mediapipe_reads_them(tiny_bundle: Path, mediapipe: Path, variant: str, mean: float) -> None:
    """Name, description, normalization, size and labels; a lossless input's mean is 128, so that it is exact."""
    assert json.loads(run([mediapipe, "-c", READ, tiny_bundle / f"{variant}.tflite"])) == {
        "name": "tiny",
        "description": "MLP-Mixer for classification, exported by mixer-edge.",
        "mean": [mean],
        "std": [127.5],
        "size": [64, 64],
        "labels": ["labels.txt"],
    }
