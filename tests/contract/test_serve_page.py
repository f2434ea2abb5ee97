"""docs/serve.md: its transcript and its example are what a real server answers, its limits are those of the code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serving import Server, serving

from mixer_edge.serve.limits import Limits

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "serve.md").read_text("utf-8")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the bundled model."""
    bundle = tmp_path_factory.mktemp("digits") / "digits"
    command = [sys.executable, "-m", "mixer_edge_export", "export", "--model", "digits", "--out", str(bundle)]
    subprocess.run([*command, "--variants", "int8"], capture_output=True, check=True)
    with serving(bundle) as running:
        yield running


def test_the_transcript_is_what_the_server_answers(digits: Server) -> None:
    """Each line is what curl sends and gets; probabilities are rounded to three digits there."""
    lines = re.search(r"```console\n(.*?)```", PAGE, re.DOTALL)
    assert lines
    for asked, answered in re.findall(r"\$ (curl .*)\n(.*)\n", lines[1]):
        flag, name, path = re.fullmatch(
            r"curl (?:(--data-binary @|--form file=@)(\S+) )?'?http://127.0.0.1:8080(/[^' ]*)'?", asked
        ).groups()
        if flag is None:
            reply = digits.get(path)
        elif flag.startswith("--data"):
            reply = digits.request("POST", path, (ROOT / name).read_bytes())
        else:
            head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{Path(name).name}"\r\n\r\n'
            body = head.encode() + (ROOT / name).read_bytes() + b"\r\n--b--\r\n"
            reply = digits.request("POST", path, body, {"Content-Type": "multipart/form-data; boundary=b"})
        found = json.loads(reply.body, parse_float=lambda text: round(float(text), 3))
        assert found == json.loads(answered), asked


def test_curl_says_the_same(digits: Server) -> None:
    """The first line of the transcript, by curl itself."""
    if shutil.which("curl") is None:
        pytest.skip("needs curl on the PATH")
    url = f"{digits.url}v1/classify?top_k=1"
    command = ["curl", "--silent", "--data-binary", f"@{ROOT / 'tests/data/drawn_seven.png'}", url]
    printed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert (printed["image"], printed["categories"][0]["label"]) == ("-", "7")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_example_runs(digits: Server) -> None:
    """Triton's client prints the label."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    program = program.replace("127.0.0.1:8080", f"127.0.0.1:{digits.port}")
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "[b'7']\n"), result.stderr


def test_the_limits_are_those_of_the_code() -> None:
    """The table is not older than the numbers."""
    limits = Limits()
    for line in (
        f"| a request's head | {limits.header_bytes // 1024} kB, and {limits.header_s} s to arrive |",
        f"| a request's body | {limits.body_bytes // 1_000_000} MB, and {limits.body_s} s to arrive |",
        f"| an answer that is not read | the connection is closed after {limits.stalled_s} s |",
        f"| connections | {limits.connections_per_client} of one client, {limits.connections} in all; beyond, 503 |",
        f"| open streams | {limits.streams_per_client} of one client, {limits.streams} in all; beyond, 503 |",
        f"| pictures that wait or are computed | {limits.queue}; beyond, 503 at once |",
    ):
        assert line in PAGE
    assert f"up to {limits.batch} pictures" in PAGE
