"""A page's elements as a tree, with Python's own parser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "input"}
"""Elements without an end, of those that the page has."""


@dataclass(kw_only=True)
class Element:
    """An element with its attributes, and what is in it in order: elements and texts."""

    tag: str
    attributes: dict[str, str | None] = field(default_factory=dict)
    content: list[Element | str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Element]:
        """Yield all elements below this one, in the order of the page."""
        for part in self.content:
            if isinstance(part, Element):
                yield part
                yield from part

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Return the elements below with this tag and these attributes; ``class_`` stands for ``class``."""
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [it for it in self if it.tag == tag and wanted.items() <= it.attributes.items()]

    def one(self, tag: str, **attributes: str) -> Element:
        """Return the only such element."""
        (found,) = self.all(tag, **attributes)
        return found

    def texts(self) -> list[str]:
        """Return the texts in it, without white space around them, empty ones left out."""
        texts = [[part] if isinstance(part, str) else part.texts() for part in self.content]
        return [text.strip() for group in texts for text in group if text.strip()]

    @property
    def text(self) -> str:
        """All its texts, with a space between two."""
        return " ".join(self.texts())


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element(tag="page")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag=tag, attributes=dict(attrs))
        self.open[-1].content.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].content.append(Element(tag=tag, attributes=dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, f"</{tag}> ends another element"

    def handle_data(self, data: str) -> None:
        self.open[-1].content.append(data)


def read_html(text: str) -> Element:
    """Return the tree of a page in which every element that is opened is closed."""
    builder = _Builder()
    builder.feed(text)
    builder.close()
    (page,) = builder.open
    return page
