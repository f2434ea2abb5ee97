"""The tables that the commands print."""

from mixer_edge_export.text_table import text_table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    """Two spaces between columns, none at a line's end, and a row may end early."""
    rows = [("variant", "size", "runs"), ("int8", "1.07 MB", ""), ("all",)]
    assert text_table(rows) == "variant  size     runs\nint8     1.07 MB\nall"
