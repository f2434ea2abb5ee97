"""The live page and the API of ``mixer-edge serve``; they need the extra ``mixer-edge[serve]``."""
