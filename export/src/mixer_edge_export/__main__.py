"""``python -m mixer_edge_export`` is the ``mixer-edge-export`` command."""

import sys

from mixer_edge_export.cli import console_script

sys.exit(console_script())
