"""The commands on the bundled feature extractor: what they print, and that the answers are those of the workstation."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from functools import reduce
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import reseal
from tests.serving import serving, until

from mixer_edge.captured.reasons import find_reason
from mixer_edge.captured.tables import CAPTURED, captured_folder
from mixer_edge.classifier import Classifier
from mixer_edge.cli import main
from mixer_edge.manifest import Manifest
from mixer_edge.teach.folder import taught_folder
from mixer_edge.teach.lessons import use_taught
from mixer_edge.teach.state import read_taught
from mixer_edge_export.digits.images import split_folder
from mixer_edge_export.training.heads import Part, fit

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def extractor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model without its head, as two files; the digits are next to it."""
    bundle = tmp_path_factory.mktemp("extractor") / "digits_fe"
    command = [sys.executable, "-m", "mixer_edge_export", "export", "--model", "digits_fe"]
    subprocess.run([*command, "--variants", "float32,int8", "--out", bundle], check=True, capture_output=True)
    return bundle


@pytest.fixture(scope="module")
def digits(extractor: Path) -> dict[str, list[Path]]:
    """The first pictures of the training part, by digit."""
    folder = split_folder(extractor, "train")
    return {label.name: sorted(label.iterdir())[:25] for label in sorted(folder.iterdir())}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, list[str], list[str]]:
    """Return the exit code of a command, and the lines on both outputs."""
    code = main([str(word) for word in words])
    output, errors = capsys.readouterr()
    return code, output.splitlines(), errors.splitlines()


def state(bundle: Path) -> Path:
    """Return the folder of what is taught on a bundle."""
    return taught_folder() / Manifest.read(bundle).source.fingerprint


def test_from_nothing_to_an_answer(
    extractor: Path, digits: dict[str, list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Two classes are taught, a picture is answered, one is moved, and one class is forgotten."""
    new = split_folder(extractor, "held_out")
    seven, one = sorted((new / "7").iterdir())[0], sorted((new / "1").iterdir())[0]
    none = f"error: {extractor}: it computes features, and no class is taught, expected 2; teach with: "
    assert run(capsys, "classify", extractor, seven) == (
        2, [], [f"{none}mixer-edge teach {extractor} CLASS PICTURE..."],
    )  # fmt: skip
    assert run(capsys, "classes", extractor) == (
        0, [f"no class is taught; teach with: mixer-edge teach {extractor} CLASS PICTURE..."], [],
    )  # fmt: skip
    only = "note: one class is taught; teach another one, they are told apart from two on"
    assert run(capsys, "teach", extractor, "seven", *digits["7"][:4]) == (
        0,
        ["seven: 4 new, 4 pictures in all"],
        [only],
    )
    code, output, errors = run(capsys, "watch", extractor, new, "--count", "1")
    assert (code, output) == (2, [])
    assert errors == [none.replace("no class is", "1 class is") + f"mixer-edge teach {extractor} CLASS PICTURE..."]
    again = [*digits["4"][:5], digits["7"][0], digits["4"][0]]
    assert run(capsys, "teach", extractor, "one", *again, extractor / "labels.txt") == (
        1,
        ["one: 6 new, 6 pictures in all"],
        [
            f"error: {extractor / 'labels.txt'}: no such file",
            f"note: {digits['4'][0]}: is in one already and counts once",
            f"note: {digits['7'][0]}: was in seven, is in one now",
        ],
    )
    assert run(capsys, "forget", extractor, "one") == (0, ["one: 6 pictures forgotten"], [])
    assert run(capsys, "teach", extractor, "seven", digits["7"][0]) == (0, ["seven: 1 new, 4 pictures in all"], [only])
    assert run(capsys, "teach", extractor, "one", *digits["1"][:4], "--json") == (
        0,
        [
            json.dumps(
                {
                    "lessons": {"one": {"added": list(map(str, digits["1"][:4])), "moved": [], "known": []}},
                    "pictures": {"seven": 4, "one": 4},
                }
            )
        ],
        [],
    )
    for picture, label in ((seven, "seven"), (one, "one")):
        code, (line,), errors = run(capsys, "classify", extractor, picture, "--json")
        assert (code, errors) == (0, [])
        answer = json.loads(line)
        assert [category["label"] for category in answer["categories"]] == [
            label,
            "one" if label == "seven" else "seven",
        ]
        assert answer["categories"][0]["probability"] > 0.8
        assert answer["none"] is False
    zero = sorted((new / "0").iterdir())[0]
    assert run(capsys, "classify", extractor, zero)[1][1] == "  none of these; nearest:"
    code, (line,), _ = run(capsys, "camera", extractor, "--source", new / "7", "--frames", "1")
    assert line.split() == ["-", "fps", *line.split()[2:3], "seven"]
    assert run(capsys, "classes", extractor) == (
        0,
        [
            "class        pictures  left out  95 % interval      taken for",
            "seven               4   100.00%  51.01% to 100.00%",
            "one                 4   100.00%  51.01% to 100.00%",
            "all classes         8   100.00%  67.56% to 100.00%",
            "needs more pictures: seven",
        ],
        [],
    )
    copy = shutil.copy(digits["1"][0], extractor.parent / "copy.png")
    assert run(capsys, "forget", extractor, copy) == (0, [f"{copy}: 1 picture forgotten"], [])
    kept = sorted((state(extractor) / "pictures").iterdir())
    assert run(capsys, "forget", extractor, kept[0], "--json") == (0, ['{"forgotten": 1}'], [])
    assert sorted((state(extractor) / "pictures").iterdir()) == kept[1:]


def test_answers_are_those_of_the_workstation(extractor: Path, digits: dict[str, list[Path]]) -> None:
    """With 1, 5 and 25 pictures per class the command gives the head that ``train`` fits, and the same answers."""
    new = sorted(split_folder(extractor, "held_out").glob("*/*.png"))[::3]
    truth = np.array([int(path.parent.name) for path in new])
    with Classifier.load(extractor, "float32") as classifier:
        pictures = np.stack([classifier.embed(path) for path in new])
        known = {digit: np.stack([classifier.embed(path) for path in paths]) for digit, paths in digits.items()}
    for count, expected in ((1, 0.95), (5, 0.98), (25, 0.985)):
        for digit, paths in digits.items():
            assert main(["teach", str(extractor), digit, *map(str, paths[:count]), "--variant", "float32"]) == 0
        taught = read_taught(state(extractor))
        assert taught is not None
        assert taught.head is not None
        assert taught.counts == dict.fromkeys(digits, count)
        features = np.concatenate([values[:count] for values in known.values()])
        head = fit([Part(kind="ridge", strength=1.0)], features, np.repeat(np.arange(10), count), 10)
        logits = pictures.astype(np.float64) @ taught.head.kernel + taught.head.bias
        wanted = head.logits(pictures)
        temperature = np.abs(wanted).max() / np.abs(logits).max()
        np.testing.assert_allclose(logits * temperature, wanted, atol=1e-6)
        np.testing.assert_array_equal(logits.argmax(axis=1), wanted.argmax(axis=1))
        assert (logits.argmax(axis=1) == truth).mean() > expected
        assert (taught.head.unknown is None) == (count == 1)


def test_the_documented_session(extractor: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """docs/teach.md shows what the commands print."""
    session, *_ = re.findall(r"```console\n(.*?)```", (ROOT / "docs" / "teach.md").read_text("utf-8"), re.DOTALL)
    places = {
        "build/digits_fe": str(extractor),
        "build/digits-images": str(extractor.parent / "digits-images"),
        "tests/": f"{ROOT}/tests/",
    }
    shown = []
    for line in session.splitlines():
        if line.startswith("$ mixer-edge "):
            command = reduce(lambda text, place: text.replace(place, places[place]), places, line)
            code, output, errors = run(capsys, *command.split()[2:])
            assert code == 0
            shown += [line, *output, *errors]
    assert "\n".join(shown).replace(f"{ROOT}/", "") == session.rstrip()


def test_another_file_of_the_same_extractor(
    extractor: Path, digits: dict[str, list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The features are computed again from the kept pictures; a damaged one is named, and nothing is lost."""
    for label in ("7", "1"):
        assert run(capsys, "teach", extractor, label, *digits[label][:3])[0] == 0
    int8 = read_taught(state(extractor))
    assert int8 is not None
    said = (
        "6 taught pictures have features of another file (int8 of digits_fe); computing those of float32 of digits_fe"
    )
    classify = ("classify", extractor, digits["7"][0], "--variant", "float32", "--top-k", "1")
    (damaged, *_) = sorted((state(extractor) / "pictures").iterdir())
    content = damaged.read_bytes()
    damaged.write_bytes(content[:100])
    code, output, errors = run(capsys, *classify)
    assert (code, output, errors[0], len(errors)) == (2, [], said, 2)
    assert errors[1].startswith(f"error: {damaged}: ")
    assert errors[1].endswith(f"; it was taught, forget it with: mixer-edge forget {extractor} {damaged}")
    damaged.unlink()
    assert run(capsys, *classify) == (2, [], [said, f"error: {damaged}: no such file; {errors[1].split('; ')[-1]}"])
    damaged.write_bytes(content)
    code, (line,), errors = run(capsys, *classify)
    assert (code, line.split()[1], errors) == (0, "7", [said])
    assert run(capsys, *classify) == (0, [line], [])
    taught = read_taught(state(extractor))
    assert taught is not None
    assert (taught.counts, taught.extractor.variant) == (int8.counts, "float32")
    assert taught.head is not None
    with Classifier.load(extractor, "float32") as classifier:
        features = np.stack([classifier.embed(path) for label in ("7", "1") for path in digits[label][:3]])
    wanted = fit([Part(kind="ridge", strength=1.0)], features, np.repeat([0, 1], 3), 2).logits(features)
    logits = features @ taught.head.kernel + taught.head.bias
    np.testing.assert_allclose(logits / np.abs(logits).max(), wanted / np.abs(wanted).max(), atol=1e-6)
    damaged.unlink()
    assert run(capsys, "forget", extractor, damaged) == (0, [f"{damaged}: 1 picture forgotten"], [])


def test_another_extractor_takes_the_pictures(
    extractor: Path, digits: dict[str, list[Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    """What was taught on other weights is named, and moved with one command."""
    for label in ("7", "1"):
        assert run(capsys, "teach", extractor, label, *digits[label][:3])[0] == 0
    old = taught_folder() / ("0" * 64)
    state(extractor).rename(old)
    code, output, (error,) = run(capsys, "classify", extractor, digits["7"][0])
    assert (code, output) == (2, [])
    assert error == (
        f"error: {extractor}: it computes features, and no class is taught, expected 2; teach with: mixer-edge teach "
        f"{extractor} CLASS PICTURE...; 6 pictures of 2 classes were taught on another extractor, digits_fe, take them "
        f"with: mixer-edge teach {extractor} --from {old}"
    )
    assert run(capsys, "teach", extractor, "--from", old) == (
        0, ["7: 3 new, 3 pictures in all", "1: 3 new, 3 pictures in all"], [],
    )  # fmt: skip
    assert run(capsys, "classify", extractor, digits["7"][0], "--top-k", "1")[1][0].split()[1] == "7"


def test_wrong_use(
    extractor: Path,
    digits: dict[str, list[Path]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line each."""
    picture = digits["7"][0]
    classifier = shutil.copytree(extractor, tmp_path / "classifier")
    reseal(classifier, lambda facts: facts.update(task="classification"))
    own = (
        f"error: {classifier}: made for classification, it has classes of its own; expected a feature extractor, e.g. "
        "an export of mixer_b32_sam_fe"
    )
    for words in (("teach", classifier, "a", picture), ("classes", classifier), ("forget", classifier, "a")):
        assert run(capsys, *words) == (2, [], [own])
    assert run(capsys, "teach", extractor, "a") == (
        2, [], ["error: no pictures for the class 'a': mixer-edge teach BUNDLE CLASS PICTURE..."],
    )  # fmt: skip
    assert run(capsys, "teach", extractor, "a", picture, "--from") == (
        2, [], ["error: --from takes one folder and its own classes: mixer-edge teach BUNDLE --from FOLDER"],
    )  # fmt: skip
    assert run(capsys, "teach", extractor, "--from", tmp_path) == (
        2,
        [],
        [f"error: {tmp_path}: nothing is taught there; expected a folder of taught classes, as in docs/teach.md"],
    )
    assert run(capsys, "teach", extractor, "a\tb", picture) == (
        2, [], ["error: the class 'a\\tb' has a character that cannot be printed, expected text in one line"],
    )  # fmt: skip
    see = f"see: mixer-edge classes {extractor}"
    assert run(capsys, "forget", extractor, "a") == (
        2, [], [f"error: a: is not taught, expected a taught class or the path of a picture; {see}"],
    )  # fmt: skip
    assert run(capsys, "teach", extractor, "a", picture)[0] == 0
    assert run(capsys, "forget", extractor, digits["1"][0]) == (
        2, [], [f"error: {digits['1'][0]}: is not taught, expected a taught picture; {see}"],
    )  # fmt: skip
    monkeypatch.chdir(tmp_path)
    shutil.copy(picture, "a")
    assert run(capsys, "forget", extractor, "a") == (
        2, [], ["error: a: a class and a picture; expected ./a for the picture, or another folder"],
    )  # fmt: skip
    assert run(capsys, "forget", extractor, "./a") == (0, ["./a: 1 picture forgotten"], [])


def test_the_server_answers_with_the_taught_classes(extractor: Path, digits: dict[str, list[Path]]) -> None:
    """As soon as there are two of them, whichever process taught them; until then it has features."""
    picture = digits["7"][0].read_bytes()
    assert main(["teach", str(extractor), "seven", *map(str, digits["7"][:3])]) == 0
    with serving(extractor) as server:
        assert server.request("POST", "/v1/classify", picture).json == {
            "error": "digits_fe computes features, and fewer than two classes are taught; teach them on the page, or "
            "use /v2/models/digits_fe/infer for features"
        }
        assert main(["teach", str(extractor), "one", *map(str, digits["1"][:3])]) == 0
        until(lambda: server.get("/v1/model").json["labels"])
        answer = server.request("POST", "/v1/classify?top_k=1", picture).json
        assert (answer["categories"][0]["label"], answer["none"]) == ("seven", False)
        model = server.get("/v1/model").json
        assert (model["task"], model["labels"], model["unknown"]["measure"]) == (
            "classification", ["seven", "one"], "logit",
        )  # fmt: skip
        assert server.get("/v2/models/digits_fe").json["outputs"][0]["shape"] == [-1, 2]


def test_what_it_was_unsure_of_is_kept(
    extractor: Path, digits: dict[str, list[Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last picture before a change, one that is none of these, and below both the features, not the answers."""
    for digit in "71":
        assert main(["teach", str(extractor), digit, *map(str, digits[digit])]) == 0
    new = split_folder(extractor, "held_out")
    with Classifier.load(extractor) as classifier:
        features = {path: classifier.embed(path) for digit in "710" for path in sorted((new / digit).iterdir())[:12]}
        assert use_taught(classifier)
        unknown = classifier.bundle.manifest.unknown
        reasons = {path: find_reason(classifier.answering.logits(row), unknown) for path, row in features.items()}
    sure = {digit: [path for path in features if (path.parent.name, reasons[path]) == (digit, None)] for digit in "71"}
    (strange, *_) = (path for path in features if (path.parent.name, reasons[path]) == ("0", "none"))
    seen = [*sure["7"][:3], *sure["1"][:3]]
    folder = tmp_path / "seen"
    folder.mkdir()
    for number, path in enumerate(seen):
        shutil.copy(path, folder / f"{number}.png")
    capture = ("--capture", "--capture-share", "0")
    assert run(capsys, "camera", extractor, "--source", folder, "--smoothing", "1", *capture)[0] == 0
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(strange, alone)
    watch = ("watch", extractor, alone, "--existing", "--count", "1", "--interval", "0.01")
    assert run(capsys, *watch, *capture)[1][0].startswith("none of these (nearest: ")
    with CAPTURED.reading(captured_folder()) as database:
        rows = database.execute("SELECT file, reason, none, outputs FROM pictures ORDER BY id").fetchall()
    kept = [(seen[2], "change", 0), (strange, "none", 1)]
    assert rows == [
        (f"{hashlib.sha256(path.read_bytes()).hexdigest()}.png", reason, none, features[path].tobytes())
        for path, reason, none in kept
    ]


def test_a_command_of_its_own(extractor: Path, digits: dict[str, list[Path]]) -> None:
    """As a process, with a picture on standard input."""
    command = [sys.executable, "-m", "mixer_edge", "teach", extractor, "seven", "-"]
    with digits["7"][0].open("rb") as file:
        result = subprocess.run(command, stdin=file, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "seven: 1 new, 1 picture in all\n")
    assert result.stderr == "note: one class is taught; teach another one, they are told apart from two on\n"
    assert [path.read_bytes() for path in (state(extractor) / "pictures").iterdir()] == [digits["7"][0].read_bytes()]
