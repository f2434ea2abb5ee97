"""``~/.local/bin/mixer-edge``: a shell script that runs the release in use."""

from __future__ import annotations

from mixer_edge_export.deploy.layout import BASE, MARK

TEXT = f"""#!/bin/sh
{MARK}
exec "$(readlink -f ~/{BASE}/current)/venv/bin/python" -I -m mixer_edge "$@"
"""
