"""Start a release on a board: ``~/.local/bin/mixer-edge``, and the same for a release that is not in use."""

from __future__ import annotations

import shlex
from pathlib import Path

from mixer_edge_export.deploy import start
from mixer_edge_export.deploy.layout import BASE, MARK

REMEDY = "; deploy again"
"""The end of every message of a release that cannot run."""

# An empty package or a dead Python must not end with exit code 0, or without saying what to do.
RUN = f"""
if ! [ -x "$release/venv/bin/python" ]; then
    echo "error: release ${{release##*/}} cannot run: no Python at $release/venv/bin/python{REMEDY}" >&2
    exit 2
fi
exec "$release/venv/bin/python" -I -c {shlex.quote(Path(start.__file__).read_text("utf-8"))} "$release" """
"""Shell script that runs the release in ``$release``; the arguments of ``mixer-edge`` follow it."""

TEXT = f"""#!/bin/sh
{MARK}
release=$(readlink -f ~/{BASE}/current){RUN}"$@"
"""
"""``~/.local/bin/mixer-edge``."""
