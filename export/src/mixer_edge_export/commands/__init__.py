"""One module per command of ``mixer-edge-export``: ``add_parser`` declares its flags, ``run`` returns the exit code."""

from __future__ import annotations


def names(text: str) -> list[str]:
    """Return the names in a comma-separated list, for argparse."""
    return [name.strip() for name in text.split(",") if name.strip()]
