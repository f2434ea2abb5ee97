"""What runs on the workers of a cluster.

A worker needs ``mixer-edge``, an interpreter, and the cluster's own package; nothing here imports that package. The
other end is ``mixer_edge_export.cluster``.
"""
