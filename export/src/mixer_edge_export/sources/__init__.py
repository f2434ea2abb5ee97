"""The sources of models; ``mixer_edge_export.sources.load`` lists them.

Every Mixer is loaded as ``mixer_edge_export.network.mixer.MixerWeights``; another network is converted unchanged.
"""

from mixer_edge_export.sources.load import load_source
from mixer_edge_export.sources.source import Network, Origin, Source

__all__ = ["Network", "Origin", "Source", "load_source"]
