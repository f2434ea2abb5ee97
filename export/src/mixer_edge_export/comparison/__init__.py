"""The comparison: what each variant of a bundle costs, what it still gets right, and which one to ship."""

from mixer_edge_export.comparison.run import Effort, Reference, compare
from mixer_edge_export.comparison.table import format_report, format_table
from mixer_edge_export.comparison.types import Comparison, VariantResult

__all__ = ["Comparison", "Effort", "Reference", "VariantResult", "compare", "format_report", "format_table"]
