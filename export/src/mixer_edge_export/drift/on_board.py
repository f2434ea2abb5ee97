"""The program that prints the random share of a board's captures: standard library only, run there as text.

The first line is about all of them; each other line is one capture of the file that was used last, the oldest first.
All of it is read in one transaction.
"""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any


def lines(folder: str, database: str, version: int, current: str, since: str) -> Iterator[dict[str, Any]]:
    """Yield the facts of each line.

    Args:
        folder: name of the folder in the user's data.
        database: name of the file in it.
        version: of its tables.
        current: the link to the release in use, relative to the home folder.
        since: time of the first capture that counts; empty for the last switch to a release.

    Raises:
        ValueError: the database cannot be used; the text says why.
    """
    home = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / folder
    link, path = Path("~", current).expanduser(), home / database
    deployed = _time(link.lstat().st_mtime) if link.is_symlink() else None
    since = since or deployed or ""
    facts = {"folder": str(home), "deployed": deployed, "others": 0}
    if not path.is_file():
        yield facts
        return
    try:
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            ((found,),) = connection.execute("PRAGMA user_version")
            if found > version:
                raise ValueError(
                    f"version {found}, expected {version}; written by a newer mixer-edge; upgrade this one"
                )
            yield from _captures(connection, facts, since) if found else [facts]
    except sqlite3.Error as error:
        raise ValueError(f"cannot be read ({error})") from None


def _captures(connection: sqlite3.Connection, facts: dict[str, Any], since: str) -> Iterator[dict[str, Any]]:
    condition = "FROM pictures WHERE random AND time >= ?"
    used = connection.execute(f"SELECT file_sha256 {condition} ORDER BY id DESC LIMIT 1", [since]).fetchone() or ("",)
    (others,) = connection.execute(f"SELECT count(*) {condition} AND file_sha256 != ?", (since, *used)).fetchone()
    yield facts | {"others": others}
    columns = "file, time, categories, none, bundle, variant, outputs"
    query = f"SELECT {columns} {condition} AND file_sha256 = ? ORDER BY id"
    for file, time, categories, none, bundle, variant, outputs in connection.execute(query, (since, *used)):
        for best in json.loads(categories)["categories"][:1]:  # none before two classes are taught
            yield {
                "file": file, "time": time, "label": best["label"], "probability": best["probability"],
                "none": bool(none), "bundle": bundle, "variant": variant, "file_sha256": used[0],
                "outputs": base64.b64encode(outputs).decode(),
            }  # fmt: skip


def _time(seconds: float) -> str:
    text = datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def main(folder: str, database: str, version: str, current: str, since: str) -> int:
    """Print the lines; return 1 if the database cannot be used."""
    try:
        for line in lines(folder, database, int(version), current, since):
            print(json.dumps(line))
    except ValueError as error:
        print(f"error: {database} there: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
