"""The comparison as a whole, through the command that users type."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import LABELS, reseal
from tests.export.conftest import TWINS
from tests.pictures import write_pictures
from tests.trainings import HEAD, RECORD, SUSPECTS, UNKNOWN

from mixer_edge import strict_json
from mixer_edge.bundle import Bundle
from mixer_edge.manifest import MANIFEST_NAME, Manifest
from mixer_edge.preprocess import load_pixels, pixels_sha256
from mixer_edge_export.cli import main
from mixer_edge_export.comparison import Comparison, format_report
from mixer_edge_export.comparison.types import Recommendation
from mixer_edge_export.quantize.variants import VARIANTS
from mixer_edge_export.training.record import Training


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals of the tests stay in the tests' folders."""
    monkeypatch.setenv("MIXER_EDGE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pictures in class folders; shared, so not to be changed."""
    return write_pictures(tmp_path_factory.mktemp("data") / "data", LABELS, 6)


def compared(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    """Return what ``compare --json`` prints."""
    main(["compare", *map(str, arguments), "--json"])
    return json.loads(capsys.readouterr().out)


def test_a_table_with_verdicts(
    tiny_bundle: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command prints a row and a verdict for each variant and one recommendation; the report has the same."""
    arguments = ["--variants", "float16,int8", "--report", str(tmp_path)]
    assert main(["compare", str(tiny_bundle), "--data", str(data), *arguments]) == 0
    printed = capsys.readouterr()
    comparison = strict_json.read(Comparison, (tmp_path / "report.json").read_text("utf-8"))
    assert printed.out == f"{format_report(comparison)}\n"
    assert printed.err == f"report: {tmp_path}/report.html\n"
    assert [row.name for row in comparison.rows] == ["float32", "float16", "int8"]
    manifest = Bundle.open(tiny_bundle).manifest
    assert [row.size_bytes for row in comparison.rows] == [
        manifest.variant(name).file.size_bytes for name in ("float32", "float16", "int8")
    ]
    for row in comparison.rows:
        assert row.score is not None
        assert (row.score.name, row.score.pictures) == (row.name, 60)
    assert comparison.rows[0].verdict == "float32: the reference."
    for row in comparison.rows[1:]:
        assert re.fullmatch(
            rf"{row.name}: (level with|\d\.\d\d points (below|above)) float32, interval \S+ to \S+: not "
            r"distinguishable \(\d of 60 predictions changed: \d lost, \d won\); \d\.\d times smaller; "
            r"(as fast|\d+\.\d times (faster|slower)) here\.",
            row.verdict,
        )
    assert comparison.recommendation == Recommendation(
        variant="float32", reason="no smaller file is shown to stay within 1 point of its accuracy"
    )


def test_the_float_file_computes_what_the_source_does(
    tiny_bundle: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Against the source in TensorFlow, float32 changes no prediction and its logits differ by rounding alone."""
    weights = tiny_bundle.parent / "tiny.npz"
    facts = compared(capsys, tiny_bundle, "--data", data, "--reference", "source", "--source", weights)
    source, float32 = facts["rows"][0], facts["rows"][1]
    assert (source["name"], source["size_bytes"], source["latency_ms"]) == ("source", None, None)
    assert float32["score"]["changed"] == 0
    assert 0 < float32["score"]["largest_difference"] < 1e-4


def test_a_saved_model_is_run_itself(twin_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The twin of a Hub module is the reference in its own graph, XLA operators included."""
    model = TWINS / "mixer_12_blocks" / "saved_model.tar.gz"
    data = write_pictures(tmp_path / "data", LABELS, 2)
    facts = compared(capsys, twin_bundle, "--data", data, "--reference", "source", "--source", model)
    assert [row["name"] for row in facts["rows"]] == ["source", "float32", "float16"]
    float32, float16 = facts["rows"][1:]
    assert 0 < float32["score"]["largest_difference"] < 1e-4 < float16["score"]["largest_difference"]


def test_another_source_is_refused(tiny_bundle: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Other weights are detected by their fingerprint, and a missing model is reported."""
    for source, reason in (
        ("digits", f"digits: not the weights that {tiny_bundle} was made from; choose another --source"),
        (
            "nowhere",
            rf"{tiny_bundle}: its source cannot be loaded \(nowhere: no such model; expected .+\); use --source",
        ),
    ):
        arguments = ["--data", str(data), "--reference", "source", "--source", source]
        assert main(["compare", str(tiny_bundle), *arguments]) == 2
        assert re.fullmatch(f"error: {reason}\n", capsys.readouterr().err)


def test_a_bound_decides_the_exit_code(tiny_bundle: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sixty pictures cannot show that at most 0.5 points are lost: code 3; that at most 100 are, they can: code 0."""
    command = ["compare", str(tiny_bundle), "--data", str(data), "--variants", "float16", "--max-drop"]
    assert main([*command, "0.5"]) == 3
    assert re.fullmatch(
        r"float16 is not shown to keep within 0\.5 points: its drop to float32 is -?\d\.\d\d points, 95 % interval up "
        r"to \d\.\d\d; if the drop stays as measured, about [\d,]+ pictures in all would show it \([\d,]+ more\)\.",
        capsys.readouterr().out.splitlines()[-1],
    )
    assert main([*command, "100"]) == 0
    assert re.fullmatch(
        r"float16 keeps within 100 points: its drop to float32 is -?\d\.\d\d points, 95 % interval up to \d\.\d\d\.",
        capsys.readouterr().out.splitlines()[-1],
    )


def test_copies_are_reported(tiny_bundle: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same pixels under two names are one group of duplicates."""
    folder = shutil.copytree(data, tmp_path / "data")
    shutil.copy(folder / "bird/0000.png", folder / "dog/copy.png")
    assert compared(capsys, tiny_bundle, "--data", folder)["duplicates"] == [["bird/0000.png", "dog/copy.png"]]


def test_a_trained_bundle_has_its_training(
    bundle: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The manifest's facts and the record, also as a page; pictures trained on are no test and are listed."""
    assert compared(capsys, bundle, "--data", data, "--limit", 10)["training"] is None
    manifest = Manifest.read(bundle)
    pixels = load_pixels(data / "bird/0001.png", manifest.preprocess)
    record = replace(RECORD, trained={SUSPECTS[0].file: pixels_sha256(pixels)})
    head = replace(HEAD, file=record.write(bundle))
    (bundle / MANIFEST_NAME).write_bytes(replace(manifest, training=head, unknown=UNKNOWN).to_bytes())
    suspect = tmp_path / "bundle-pictures" / "trained" / SUSPECTS[0].file
    suspect.parent.mkdir(parents=True)
    shutil.copy(data / "bird/0001.png", suspect)
    facts = compared(capsys, bundle, "--data", data, "--report", tmp_path / "report")
    training = strict_json.parse(Training, facts["training"])
    assert training == Training(head=head, unknown=UNKNOWN, record=record)
    assert facts["overlap"] == ["bird/0001.png"]
    assert f'alt="{SUSPECTS[0].file}"' in (tmp_path / "report" / "report.html").read_text("utf-8")


def test_the_order_of_the_files_does_not_matter(
    tiny_bundle: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pictures written in another order and under other names give the same scores and the same fingerprint."""
    folder = tmp_path / "data"
    for number, path in enumerate(sorted(data.rglob("*.png"), reverse=True)):
        (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / path.parent.name / f"{number:03}.png")
    first, second = (compared(capsys, tiny_bundle, "--data", place) for place in (data, folder))
    assert [row["score"] for row in first["rows"]] == [row["score"] for row in second["rows"]]
    assert first["measured"]["data_fingerprint"] == second["measured"]["data_fingerprint"]


def test_a_limit(tiny_bundle: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A limit of 20 takes 20 of the 60 pictures, two of every class: of 0 to 59 every third number or so."""
    for number in (0, 3, 6, 9, 12, 16, 19, 22, 25, 28, 31, 34, 37, 40, 43, 47, 50, 53, 56, 59):
        place = Path(LABELS[number // 6]) / f"{number % 6:04}.png"
        (tmp_path / "data" / place.parent).mkdir(parents=True, exist_ok=True)
        shutil.copy(data / place, tmp_path / "data" / place)
    assert {len(list(folder.iterdir())) for folder in (tmp_path / "data").iterdir()} == {2}
    limited = compared(capsys, tiny_bundle, "--data", data, "--limit", 20)
    chosen = compared(capsys, tiny_bundle, "--data", tmp_path / "data")
    assert limited["pictures"] == chosen["pictures"] == 20
    assert limited["measured"]["data_fingerprint"] == chosen["measured"]["data_fingerprint"]
    assert [row["score"] for row in limited["rows"]] == [row["score"] for row in chosen["rows"]]


def test_without_pictures(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without data there are sizes and latencies, and nothing is recommended."""
    facts = compared(capsys, tiny_bundle)
    assert (facts["pictures"], facts["recommendation"]) == (0, None)
    assert [row["name"] for row in facts["rows"]] == list(VARIANTS)
    assert all(row["size_bytes"] > 0 and row["latency_ms"] > 0 for row in facts["rows"])
    assert [(row["score"], row["photo_to_label_ms"]) for row in facts["rows"]] == [(None, None)] * 6


def test_refused_pictures_are_counted(
    tiny_bundle: Path, bundle: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a threshold that refuses all, each variant and the source refuse all, and lose nothing by it."""
    before = compared(capsys, bundle, "--data", data, "--variants", "int8")
    assert [row["score"]["refused"] for row in before["rows"]] == [None, None]
    reseal(bundle, lambda facts: facts.update(unknown={"measure": "probability", "threshold": 1.5, "refused": 0.05}))
    source = ["--reference", "source", "--source", tiny_bundle.parent / "tiny.npz"]
    facts = compared(capsys, bundle, "--data", data, "--variants", "int8", *source)
    assert [row["score"]["refused"]["correct"] for row in facts["rows"]] == [60, 60, 60]
    assert [row["score"]["top1"] for row in facts["rows"][1:]] == [row["score"]["top1"] for row in before["rows"]]


def test_reports_agree(tiny_bundle: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The four files say the same: JSON as printed, CSV with its figures, Markdown with its recommendation."""
    facts = compared(capsys, tiny_bundle, "--data", data, "--report", tmp_path / "report")
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == [
        "report.csv",
        "report.html",
        "report.json",
        "report.md",
    ]
    assert json.loads((tmp_path / "report/report.json").read_text("utf-8")) == facts
    with (tmp_path / "report/report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["variant"], float(row["top1"]), int(row["changed"])) for row in rows] == [
        (row["name"], row["score"]["top1"]["share"], row["score"]["changed"]) for row in facts["rows"]
    ]
    recommended = facts["recommendation"]
    assert f"**Ship {recommended['variant']}:** {recommended['reason']}." in (tmp_path / "report/report.md").read_text(
        "utf-8"
    )


def test_a_folder_that_cannot_be_written(
    tiny_bundle: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report folder that is a file is named."""
    (tmp_path / "file").write_text("")
    assert main(["compare", str(tiny_bundle), "--data", str(data), "--report", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: {tmp_path}/file: cannot be written to (File exists); choose another folder"
    )
