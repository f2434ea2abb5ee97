"""The folder of links to the pictures of a trained bundle, beside it.

::

    <bundle>-pictures/trained/<class>/<picture>
    <bundle>-pictures/held_out/<class>/<picture>
"""

from __future__ import annotations

from pathlib import Path


def pictures_folder(bundle: Path) -> Path:
    """Return the folder beside a bundle."""
    target = bundle.resolve()
    return target.with_name(f"{target.name}-pictures")
