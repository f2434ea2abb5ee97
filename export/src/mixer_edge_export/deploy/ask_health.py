"""The program that asks ``mixer-edge serve`` on a board how it is: standard library only, passed to Python as text."""

from __future__ import annotations

import http.client
import sys

TIMEOUT_S = 30
"""A board that has just started is slow."""
MAX_BYTES = 65536


def ask(port: int) -> int:
    """Print the answer of ``/healthz`` on a port of this machine; return 1 if there is none, or not the status 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        text = answer.read(MAX_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        print(f"error: no answer from /healthz on port {port} ({reason})", file=sys.stderr)
        return 1
    if answer.status != 200:
        print(f"error: /healthz on port {port} answers {answer.status}", file=sys.stderr)
        return 1
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(ask(int(sys.argv[1])))
