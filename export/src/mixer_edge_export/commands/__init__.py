"""One module per command of ``mixer-edge-export``: ``add_parser`` declares its flags, ``run`` returns the exit code."""

from __future__ import annotations


def names(text: str) -> list[str]:
    """Return the names in a comma-separated list, for argparse."""
    return [name.strip() for name in text.split(",") if name.strip()]


def points(text: str) -> float:
    """Return ``text`` as a number from 0 to 100, for argparse."""
    if not 0 <= (value := float(text)) <= 100:
        raise ValueError(text)
    return value
