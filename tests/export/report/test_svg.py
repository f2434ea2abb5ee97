"""The exact SVG elements and documents."""

from mixer_edge_export.report.svg import document, shape


def test_attributes_are_written_as_svg_has_them() -> None:
    """Underscores become dashes, a trailing one is removed, floats have one decimal, and text is escaped."""
    assert shape("rect", x=1, y=2.25, class_="bar", stroke_width=0.5) == (
        '<rect x="1" y="2.2" class="bar" stroke-width="0.5"/>'
    )
    assert shape("text", 'a < "b" & c', x=0, font_weight="bold") == (
        '<text x="0" font-weight="bold">a &lt; "b" &amp; c</text>'
    )
    assert shape("text", "", fill='"') == "<text fill='\"'></text>"


def test_a_document_is_white_and_has_its_size() -> None:
    """One line per shape; the white background comes first."""
    assert document(20, 10, [shape("circle", r=1)], font_size=9) == (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 10" font-family="sans-serif" font-size="9">\n'
        '<rect width="20" height="10" fill="white"/>\n'
        '<circle r="1"/>\n'
        "</svg>\n"
    )
