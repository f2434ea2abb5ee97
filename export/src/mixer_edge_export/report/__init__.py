"""The comparison as files: ``report.html`` to look at, ``report.md`` to paste, ``report.csv`` and ``report.json``."""

from mixer_edge_export.report.files import write_report

__all__ = ["write_report"]
