"""Answers for an MQTT broker and Home Assistant; it needs the extra ``mixer-edge[mqtt]``."""
