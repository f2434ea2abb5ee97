"""A release for tests that need one; ``replace`` changes what matters to them."""

from mixer_edge.release import Release

RELEASE = Release(
    name="digits",
    task="classification",
    bundle="ab",
    variant="int8",
    backend="ai-edge-litert",
    python="3.11",
    mixer_edge="0.1.0",
    threads=2,
)
