"""The server's socket."""

from __future__ import annotations

import socket
from contextlib import closing

from mixer_edge.serve.address import listen


def test_the_socket_knows_that_it_is_tcp() -> None:
    """Only then asyncio switches Nagle's algorithm off, which would keep the end of each answer back for 40 ms."""
    with closing(listen("127.0.0.1", 0, stalled_s=15)) as listener:
        assert listener.proto == socket.IPPROTO_TCP
