"""The comparison: size, latency and accuracy of each variant of a bundle, and the one to ship."""

from mixer_edge_export.comparison.run import Effort, Reference, compare
from mixer_edge_export.comparison.table import format_report, format_table
from mixer_edge_export.comparison.types import Comparison, VariantResult

__all__ = ["Comparison", "Effort", "Reference", "VariantResult", "compare", "format_report", "format_table"]
