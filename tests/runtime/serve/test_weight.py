"""What the other commands do not import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import contextlib, json, sys
from mixer_edge.cli import main
with contextlib.suppress(SystemExit):
    main(sys.argv[1:])
extra = {"starlette", "uvicorn", "prometheus_client", "multipart", "python_multipart", "anyio", "asyncio", "paho"}
imported = extra & set(sys.modules) | {name for name in sys.modules if name.split(".")[:2] == ["mixer_edge", "serve"]}
print(json.dumps(sorted(imported)))
"""


def test_other_commands_are_as_light_as_without_a_server(tiny_bundle: Path, pictures: Path) -> None:
    """None of them imports the server or one of its packages, nor does the help of ``serve``."""
    for arguments in (
        ["classify", str(tiny_bundle), str(pictures)],
        ["camera", str(tiny_bundle), "--source", str(pictures)],
        ["serve", "--help"],
    ):
        command = [sys.executable, "-c", PROGRAM, *arguments]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert json.loads(printed.splitlines()[-1]) == []
