"""``python -m mixer_edge`` is the ``mixer-edge`` command."""

import sys

from mixer_edge.cli import console_script

sys.exit(console_script())
