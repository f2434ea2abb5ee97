"""The camera and the requests take turns."""

from __future__ import annotations

import threading

from tests.serving import until

from mixer_edge.serve.turns import Party, Turns


def test_two_parties_alternate_whatever_their_number() -> None:
    """With four requests and two frames waiting, every second turn is the camera's until no frame is left."""
    turns, order = Turns(), list[Party]()

    def take(party: Party) -> None:
        with turns.turn(party):
            order.append(party)

    parties: list[Party] = ["request"] * 4 + ["camera"] * 2
    threads = [threading.Thread(target=take, args=(party,)) for party in parties]
    with turns.turn("request"):
        for thread in threads:
            thread.start()
        until(lambda: turns.waiting == 6)
    for thread in threads:
        thread.join()
    assert order == ["camera", "request", "camera", "request", "request", "request"]


def test_one_party_alone_never_waits_for_the_other() -> None:
    """Turns of the same party follow one another."""
    turns = Turns()
    for _ in range(3):
        with turns.turn("camera"):
            pass
    assert turns.waiting == 0
