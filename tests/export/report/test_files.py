"""The exact reports of a hand-made comparison."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tests.comparisons import COMPARISON, COSTS, REFUSING
from tests.trainings import TRAINING

from mixer_edge import strict_json
from mixer_edge.errors import DataError
from mixer_edge_export.comparison.types import Comparison
from mixer_edge_export.report import write_report
from mixer_edge_export.training.summary import format_training


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports, without the pictures."""
    return write_report(COMPARISON, None, tmp_path_factory.mktemp("report")).parent


def test_json_is_the_comparison(folder: Path) -> None:
    """Field by field, and read back into the same classes."""
    text = (folder / "report.json").read_text("utf-8")
    assert json.loads(text) == json.loads(json.dumps(asdict(COMPARISON)))
    assert strict_json.read(Comparison, text) == COMPARISON


def test_csv_has_a_line_for_each_variant(folder: Path) -> None:
    """Shares in [0, 1], sizes in bytes, times in milliseconds."""
    assert (folder / "report.csv").read_text("utf-8").splitlines() == [
        "variant,top1,top1_low,top1_high,top5,top5_low,top5_high,difference,difference_low,difference_high,mcnemar_p,"
        "lost,won,changed,agreement,mean_kl_divergence,largest_logit_difference,size_bytes,latency_ms,"
        "photo_to_label_ms",
        "float32,0.9,0.8798,0.9171,0.99,0.9817,0.9946,0.0,0.0,0.0,1.0,0,0,0,1.0,0.0,0.0,4120000,2.13,5.5",
        "float16,0.901,0.8809,0.918,0.991,0.983,0.9952,0.001,-0.001,0.003,0.75,0,1,2,0.998,1.25e-05,0.0625,2070000,"
        "2.25,5.75",
        "int8,0.862,0.8392,0.882,0.979,0.968,0.9863,-0.038,-0.051,-0.025,1.5e-09,42,4,57,0.943,0.0375,2.125,1060000,"
        "0.8125,3.125",
    ]


def test_markdown_says_what_the_terminal_says(folder: Path) -> None:
    """Table, recommendation, verdicts, bounds, warnings, notes, boards, inputs and versions."""
    assert (folder / "report.md").read_text("utf-8").splitlines() == [
        "# birds: comparison of its variants",
        "",
        "| variant | top-1 | 95 % interval | difference, points | lost / won | size | latency |",
        "|---|---|---|---|---|---|---|",
        "| float32 | 90.00% | 87.98% to 91.71% | reference | - | 4.12 MB | 2.13 ms |",
        "| float16 | 90.10% | 88.09% to 91.80% | +0.10 (-0.10 to +0.30) | 0 / 1 | 2.07 MB | 2.25 ms |",
        "| int8 | 86.20% | 83.92% to 88.20% | -3.80 (-5.10 to -2.50) | 42 / 4 | 1.06 MB | 0.81 ms |",
        "",
        "**Ship float16:** the one that is chosen.",
        "",
        "- float16: what is said of float16.",
        "- int8: what is said of int8.",
        "- float16 keeps it.",
        "- int8 does not keep it.",
        "- 5 of the pictures were also used to make the bundle (training, calibration or selection); remove them "
        "from the data: f.png, g.png, h.png and 2 more.",
        "- 3 of the pictures are copies of others and count each time: a.png = b.png = c.png, d.png = e.png.",
        "- 1 picture could not be read and does not count.",
        "- int8 was calibrated so.",
        "",
        "## On the boards",
        "",
        "| host | board | variant | top-1 there | differ from here | latency there | temperature |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| pi@kitchen | Raspberry Pi 5 | float32 | 89.99% | 0 of 999 | 7.12 ms | 48.3 °C |",
        "| pi@kitchen | Raspberry Pi 5 | int8 | - | 12 of 999 | 3.46 ms | 48.3 °C |",
        "| pi@garden | FAILED | - | - | - | - | - |",
        "",
        "- pi@kitchen: int8 differs from this machine in a.png, b.png, c.png and 9 more.",
        "- pi@kitchen: float16 does not run there: no kernel.",
        "- pi@garden failed: it does not answer",
        "",
        "1,000 pictures; measured on Test, 2 cores, Linux x86_64 with mixer-edge 0.1.0, numpy 2.4.6. "
        "Bundle `abababababababab`, data `cdcdcdcdcdcdcdcd`.",
    ]


def test_a_training_is_in_every_report_but_the_table(tmp_path: Path) -> None:
    """Markdown has the lines of the terminal before the inputs, JSON the whole record."""
    comparison = replace(COMPARISON, training=TRAINING)
    write_report(comparison, None, tmp_path)
    assert strict_json.read(Comparison, (tmp_path / "report.json").read_text("utf-8")) == comparison
    lines = (tmp_path / "report.md").read_text("utf-8").splitlines()
    start = lines.index("## Your classes")
    text = format_training(TRAINING)
    assert lines[start - 1 : -2] == ["", "## Your classes", "", *(f"- {line}" for line in text.splitlines())]


def test_refused_pictures_have_columns(tmp_path: Path) -> None:
    """In Markdown the share, in CSV with its interval as the last columns, in JSON field by field."""
    write_report(REFUSING, None, tmp_path)
    assert (tmp_path / "report.md").read_text("utf-8").splitlines()[2:7] == [
        "| variant | top-1 | 95 % interval | difference, points | lost / won | none of these | size | latency |",
        "|---|---|---|---|---|---|---|---|",
        "| float32 | 90.00% | 87.98% to 91.71% | reference | - | 4.50% | 4.12 MB | 2.13 ms |",
        "| float16 | 90.10% | 88.09% to 91.80% | +0.10 (-0.10 to +0.30) | 0 / 1 | 4.60% | 2.07 MB | 2.25 ms |",
        "| int8 | 86.20% | 83.92% to 88.20% | -3.80 (-5.10 to -2.50) | 42 / 4 | 8.70% | 1.06 MB | 0.81 ms |",
    ]
    lines = [line.split(",") for line in (tmp_path / "report.csv").read_text("utf-8").splitlines()]
    assert [line[-4:] for line in lines] == [
        ["photo_to_label_ms", "refused", "refused_low", "refused_high"],
        ["5.5", "0.045", "0.0338", "0.0597"],
        ["5.75", "0.046", "0.0346", "0.0608"],
        ["3.125", "0.087", "0.0711", "0.1061"],
    ]
    assert strict_json.read(Comparison, (tmp_path / "report.json").read_text("utf-8")) == REFUSING


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    """Only sizes and latencies: dashes in Markdown, empty cells in CSV, no recommendation."""
    write_report(COSTS, None, tmp_path)
    assert (tmp_path / "report.csv").read_text("utf-8").splitlines()[1:] == [
        f"source{',' * 19}",
        f"float16{',' * 17}2070000,2.25,5.75",
    ]
    assert (tmp_path / "report.md").read_text("utf-8").splitlines()[4:] == [
        "| source | - | - | - | - | - | - |",
        "| float16 | - | - | - | - | 2.07 MB | 2.25 ms |",
        "",
        "- float16: what is said of float16.",
        "",
        "0 pictures without labels; measured on Test, 2 cores, Linux x86_64 with mixer-edge 0.1.0, numpy 2.4.6. "
        "Bundle `abababababababab`, data `none`.",
    ]


def test_nothing_is_written_with_a_bad_sensitivity_file(tmp_path: Path) -> None:
    """It is read before the folder is made."""
    with pytest.raises(DataError) as raised:
        write_report(COMPARISON, None, tmp_path / "out", tmp_path / "none.json")
    assert str(raised.value) == (
        f"{tmp_path}/none.json: cannot be read (FileNotFoundError(2, 'No such file or directory')); expected the "
        "output of sensitivity --json"
    )
    assert list(tmp_path.iterdir()) == []
