"""``python -m mixer_edge`` is the ``mixer-edge`` command."""

import sys

from mixer_edge.cli import main

sys.exit(main())
