"""The facts about a machine, from a fake /sys and a fake vcgencmd."""

from __future__ import annotations

from pathlib import Path

import pytest

from mixer_edge.board import Board, temperature_celsius, throttling


def write(path: Path, text: str) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def vcgencmd(folder: Path, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program on the PATH that prints this."""
    program = folder / "vcgencmd"
    write(program, f"#!/bin/sh\necho {answer}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_raspberry_pi_names_itself(tmp_path: Path) -> None:
    """The device tree's name ends in a NUL, which is removed; the temperature is in thousandths."""
    write(tmp_path / "sys/firmware/devicetree/base/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    write(tmp_path / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand\n")
    write(tmp_path / "sys/class/thermal/thermal_zone0/temp", "51550\n")
    board = Board.read(tmp_path)
    assert (board.name, board.governor) == ("Raspberry Pi 5 Model B Rev 1.0", "ondemand")
    assert board.cpus >= 1
    assert temperature_celsius(tmp_path) == 51.55


def test_another_machine_is_named_by_its_processor(tmp_path: Path) -> None:
    """No device tree: the first model name in /proc/cpuinfo."""
    write(tmp_path / "proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU @ 2.6 GHz\nmodel name\t: Other\n")
    assert Board.read(tmp_path).name == "Some CPU @ 2.6 GHz"


def test_what_a_machine_does_not_say_is_none(tmp_path: Path) -> None:
    """An empty root, and a sensor that cannot be read as a number."""
    assert (Board.read(tmp_path).name, Board.read(tmp_path).governor) == ("unknown", None)
    assert temperature_celsius(tmp_path) is None
    write(tmp_path / "sys/class/thermal/thermal_zone0/temp", "hot")
    assert temperature_celsius(tmp_path) is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("throttled=0x0", ()),
        ("throttled=0x50005", ("under-voltage now", "throttled now")),
        ("throttled=0x80000", ("soft temperature limit since start",)),
        ("throttled=0x20004", ("throttled now", "frequency capped since start")),
        ("VCHI initialization failed", None),
    ],
)
def test_throttling_is_read_bit_by_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, expected: tuple[str, ...] | None
) -> None:
    """Bits 0 to 3 are the present, 16 to 19 the time since boot; a present condition is not listed twice."""
    vcgencmd(tmp_path, answer, monkeypatch)
    assert throttling() == expected


def test_without_vcgencmd_nothing_is_known_of_throttling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another board than a Pi."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert throttling() is None
