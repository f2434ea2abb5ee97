"""One module per command of ``mixer-edge``: ``add_parser`` declares its flags, ``run`` returns the exit code."""

from __future__ import annotations


def positive(text: str) -> int:
    """Return ``text`` as a whole number above zero, for argparse."""
    if (value := int(text)) < 1:
        raise ValueError(text)
    return value
