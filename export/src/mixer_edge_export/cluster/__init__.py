"""The same work on the workers of a Dask cluster: the results are those of one machine.

Dask brings the tasks to the workers and the answers back. What a worker gets is decided here, because answers of
workers that compute something else must never count. The other end is ``mixer_edge.cluster``.
"""

from mixer_edge_export.cluster.engine import Cluster, open_cluster
from mixer_edge_export.cluster.mirror import mirror

__all__ = ["Cluster", "mirror", "open_cluster"]
