"""Where a model comes from: ``mixer_edge_export.sources.load`` says what there is.

Every Mixer ends in the same ``mixer_edge_export.network.mixer.MixerWeights``; another network is converted as it is.
"""

from mixer_edge_export.sources.load import load_source
from mixer_edge_export.sources.source import Network, Origin, Source

__all__ = ["Network", "Origin", "Source", "load_source"]
