"""Which pictures are kept, with a clock and answers of this test."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from tests.runtime.captured.test_store import ANSWERED, OUTPUTS

from mixer_edge.captured.choice import Chooser, Options, Shot
from mixer_edge.captured.store import Reason
from mixer_edge.classifier import Category

OPTIONS = Options(share=0, interval_s=10, most_bytes=100, days=30, seed=7)


@dataclass
class Run:
    """Pictures that come once a second, each a byte, and what is kept of them."""

    options: Options = OPTIONS
    agree: int = 2
    second: float = 0
    kept: list[tuple[bytes, Reason | None, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chooser = Chooser(self.options, agree=self.agree, clock=lambda: self.second)

    def see(self, answers: str, reasons: Iterable[Reason | None] = ()) -> list[str]:
        """Answer a picture with each letter, ``-`` for none; return those kept: its number, the reason, ``random``."""
        found = []
        reasons = iter(reasons)
        for letter in answers:
            shot = Shot(
                image=b"%d" % self.second,
                name="frame.jpg",
                answered=replace(ANSWERED, reason=next(reasons, None), random=self.chooser.pick()),
                outputs=OUTPUTS,
            )
            answer = (Category(label=letter, index=0, probability=0.5),)
            for kept in self.chooser.choose(shot, answer, none=letter == "-"):
                why = (kept.answered.reason, "random" if kept.answered.random else None)
                found.append(" ".join([bytes(kept.image).decode(), *filter(None, why)]))
            self.second += 1
        return found


def test_without_a_reason_nothing_is_kept() -> None:
    """Not even the first state."""
    assert Run().see("AAAAA") == []


def test_one_unsure_picture_in_an_interval() -> None:
    """The first one, and the next one after ten seconds."""
    assert Run().see("A" * 25, ["tie"] * 25) == ["0 tie", "10 tie", "20 tie"]
    reasons: list[Reason | None] = [None, None, "none", "tie", *[None] * 7, "threshold", "threshold"]
    assert Run().see("A" * 13, reasons) == ["2 none", "12 threshold"]


def test_the_last_picture_before_a_change() -> None:
    """It is known as soon as the new answers agree; one wrong answer is no change, and each change has its own."""
    run = Run(replace(OPTIONS, interval_s=0))
    assert run.see("AAAB") == []
    assert run.see("ABB") == ["4 change"]
    assert run.see("B--") == ["7 change"]
    assert run.see("-AA") == ["10 change"]


def test_a_flicker_before_a_change() -> None:
    """The picture just before the equal answers is kept, even if it is the flicker."""
    assert Run(replace(OPTIONS, interval_s=0)).see("AAAXBB") == ["3 change"]


def test_a_change_obeys_the_interval() -> None:
    """Nothing is kept of a change too soon after another picture."""
    assert Run().see("AAABBAA" + "A" * 5 + "BB") == ["2 change"]
    assert Run().see("AAABB" + "B" * 10 + "AA") == ["2 change", "14 change"]


def test_what_is_kept_already_is_not_kept_again() -> None:
    """A tie before a change stays a tie."""
    run = Run(replace(OPTIONS, interval_s=0))
    assert run.see("AAABB", [None, None, "tie"]) == ["2 tie"]


def test_before_a_change_comes_first() -> None:
    """The picture at which the change is known is unsure itself: only one of both is kept."""
    assert Run().see("AAABB", [None, None, None, None, "tie"]) == ["2 change"]


def test_the_random_share_follows_from_the_seed_alone() -> None:
    """Whatever is answered and kept, the same pictures are random: those whose number is below the share."""
    options = replace(OPTIONS, share=0.25)
    numbers = random.Random(7)
    picked = [number for number in range(200) if numbers.random() < 0.25]
    assert len(picked) > 30
    generator = np.random.default_rng(0)
    for reasons in ([], ["none"] * 200, generator.choice(["tie", "none", "threshold"], 200).tolist()):
        for answers in ("A" * 200, "AB-" * 70):
            found = Run(options).see(answers[:200], reasons)
            assert [int(kept.split()[0]) for kept in found if kept.endswith("random")] == picked
            # and between two unsure ones, and after a random one, the interval passes
            times = [int(kept.split()[0]) for kept in found]
            assert all(
                time - max((other for other in times if other < time), default=-10) >= 10
                for time, kept in zip(times, found, strict=True)
                if not kept.endswith("random")
            )


def test_a_picture_that_is_unsure_and_random() -> None:
    """It is kept once, with both."""
    options = replace(OPTIONS, share=1)
    assert Run(options).see("AA", ["tie", "tie"]) == ["0 tie random", "1 tie random"]


def test_without_classes_only_the_random_share() -> None:
    """A feature extractor without taught classes has no answers that could change."""
    chooser = Chooser(replace(OPTIONS, share=1), agree=1)
    shot = Shot(image=b"", name="", answered=replace(ANSWERED, reason=None, random=chooser.pick()), outputs=OUTPUTS)
    assert chooser.choose(shot, (), none=False) == [shot]
