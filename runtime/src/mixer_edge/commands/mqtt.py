"""The flags of MQTT, and the publisher that they describe: for each command that sees changes."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from mixer_edge.changes import Changes
from mixer_edge.classifier import Category, Classifier
from mixer_edge.commands import positive
from mixer_edge.decode import ImageSource, thumbnail
from mixer_edge.errors import ImageError, MixerEdgeError

if TYPE_CHECKING:
    from mixer_edge.mqtt.publisher import Publisher

SHOWN = 5
"""The categories of an answer that a change has."""
_PICTURE_SIDE = 320
"""Pixels on the longer side of the picture of a change."""


def add_mqtt(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that ``open_publisher`` reads."""
    parser.add_argument("--mqtt", metavar="URL", help="tell this broker about changes: mqtt[s]://[user@]host[:port]")
    parser.add_argument("--mqtt-password-file", type=Path, metavar="FILE", help="the password of the URL's user")
    parser.add_argument(
        "--mqtt-ca", type=Path, metavar="FILE", help="check the broker's certificate with this CA, a PEM file"
    )
    parser.add_argument(
        "--mqtt-labels",
        action="append",
        metavar="A,B",
        help="labels that have an ON or OFF of their own; repeat it for a label with a comma",
    )
    parser.add_argument(
        "--mqtt-id",
        metavar="ID",
        help="the device's part of the topics (default: the bundle's name and a hash of the machine)",
    )


def add_agree(parser: argparse.ArgumentParser) -> None:
    """Declare the flag that ``mixer_edge.changes.Changes`` needs."""
    parser.add_argument(
        "--agree",
        type=positive,
        default=3,
        help="equal answers in a row before they count as a change (default: %(default)s)",
    )


def open_publisher(
    arguments: argparse.Namespace, classifier: Classifier, *, changing: bool = False
) -> AbstractContextManager[Publisher | None]:
    """Return the publisher that the flags describe, None without ``--mqtt``; it publishes inside ``with``.

    Args:
        arguments: of the command.
        classifier: what answers.
        changing: whether classes may be taught and forgotten meanwhile: labels are then wanted before they are taught.

    Raises:
        MixerEdgeError: a flag cannot be used, or paho-mqtt is not installed. A broker that is not there is no error.
    """
    if arguments.mqtt is None:
        for flag in ("mqtt_password_file", "mqtt_ca", "mqtt_labels", "mqtt_id"):
            if getattr(arguments, flag) is not None:
                raise MixerEdgeError(f"--{flag.replace('_', '-')} needs the address of a broker; expected --mqtt URL")
        return nullcontext()
    try:
        from mixer_edge.mqtt.publisher import Publisher
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "paho":
            raise
        # a part of it may be there: Debian 12 has version 1
        raise MixerEdgeError(
            "--mqtt needs paho-mqtt 2, which is not installed; pip install 'mixer-edge[mqtt]'"
        ) from None
    from mixer_edge.mqtt.address import read_address
    from mixer_edge.mqtt.device import describe, wanted_labels

    address = read_address(arguments.mqtt, password_file=arguments.mqtt_password_file, ca=arguments.mqtt_ca)
    return Publisher(
        address,
        describe(
            classifier.loaded,
            classifier.variant,
            id=arguments.mqtt_id,
            labels=wanted_labels(
                classifier.bundle,
                arguments.mqtt_labels or (),
                others=changing and classifier.loaded.manifest.task == "embedding",
            ),
        ),
    )


class Announcer:
    """Publishes the changes among the answers of one command; without a publisher it does nothing."""

    def __init__(self, publisher: Publisher | None, agree: int) -> None:
        """Begin without a state; ``agree`` answers in a row make one."""
        self._publisher, self._changes = publisher, Changes(agree)
        self._frame: ImageSource = b""

    def shown(self, top_k: int) -> int:
        """Return how many categories an answer needs, so that ``top_k`` can be printed and a change has its rivals."""
        return top_k if self._publisher is None else max(top_k, SHOWN)

    def frames(self, frames: Iterable[ImageSource]) -> Iterator[ImageSource]:
        """Yield the frames; ``answer`` without a picture takes the last of them."""
        for self._frame in frames:
            yield self._frame

    def answer(self, categories: tuple[Category, ...], *, none: bool, image: ImageSource | None = None) -> None:
        """Publish the change that this answer completes, if any, with its picture."""
        if self._publisher is None:
            return
        if change := self._changes.update(categories, none=none):
            try:
                picture = thumbnail(self._frame if image is None else image, _PICTURE_SIDE)
            except ImageError:  # the file of a picture is gone already
                picture = None
            self._publisher.publish(change, picture)
