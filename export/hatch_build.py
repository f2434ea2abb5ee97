"""Fills the version into the dependency on the runtime, so that it stands in one place for both packages."""

from hatchling.metadata.plugin.interface import MetadataHookInterface


class DependenciesHook(MetadataHookInterface):
    """Hatchling's hook for the dynamic field ``dependencies``."""

    def update(self, metadata: dict) -> None:
        """Set the dependencies from this hook's own table in pyproject.toml."""
        version = metadata["version"]
        metadata["dependencies"] = [line.format(version=version) for line in self.config["dependencies"]]
