"""Numbers that clients write."""

from __future__ import annotations

import re

_WHOLE = re.compile("[0-9]{1,9}")


def whole_number(text: str) -> int | None:
    """Return a whole number of at most nine digits; None for any other text."""
    return int(text) if _WHOLE.fullmatch(text) else None
