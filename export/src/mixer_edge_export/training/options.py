"""What can be chosen for a training, and the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

EXTRACTOR = "mixer_b32_sam_fe"


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Which pictures are never trained or tuned on."""

    share: float = 0.2
    """Share of the pictures, between 0 and 1."""
    pictures: Path | None = None
    """Folder of the user's own, in class folders or a table; None to hold out ``share`` of the data."""
    seed: int = 0
    """Decides which ones."""
