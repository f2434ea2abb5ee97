"""The packages that an extra of ``mixer-edge`` needs on a board, from the metadata of what is installed here."""

from __future__ import annotations

from importlib.metadata import PackageMetadata, PackageNotFoundError, distribution, requires

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from mixer_edge_export.deploy.ssh import DeployError

_RUNTIME = "mixer-edge"


def extra_names(extra: str) -> tuple[str, ...]:
    """Return the names of the packages that an extra of ``mixer-edge`` itself names, e.g. ``starlette``."""
    return tuple(canonicalize_name(requirement.name) for requirement in _named_by(_RUNTIME, extra, {}))


def extra_requirements(extra: str, *, python: str, machine: str) -> tuple[str, ...]:
    """Return pip's requirements for an extra of ``mixer-edge`` and all that it depends on, sorted by name.

    The versions are those installed here. A package that a board's Python needs and this one does not, or whose
    version here is for other Pythons, has the bounds of those that depend on it instead.

    Args:
        extra: e.g. ``serve``.
        python: the board's Python, e.g. ``3.11``.
        machine: the board's architecture as in wheel names.

    Raises:
        DeployError: the extra is not installed here, or only versions that are too old.
    """
    environment = _environment(python, machine)
    todo = _named_by(_RUNTIME, extra, environment)
    direct = {canonicalize_name(requirement.name) for requirement in todo}
    bounds: dict[str, SpecifierSet] = {}
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        new = name not in bounds
        bounds[name] = bounds.get(name, SpecifierSet()) & requirement.specifier
        if new and _installed(name) is not None:
            for wanted in ("", *requirement.extras):
                todo += _named_by(name, wanted, environment)
    return tuple(_requirement(extra, name, bounds[name], python, needed=name in direct) for name in sorted(bounds))


def _requirement(extra: str, name: str, bounds: SpecifierSet, python: str, *, needed: bool) -> str:
    """Return pip's requirement of one package for a board's Python."""
    metadata = _installed(name)
    if metadata is None and needed:
        raise _not_installed(extra, f"{name} is not installed on this machine")
    if metadata is None:
        return f"{name}{bounds}"
    pythons = SpecifierSet("".join(metadata.get_all("Requires-Python") or ()))
    if not pythons.contains(f"{python}.0"):
        return f"{name}{bounds}"
    number = metadata["Version"]
    if not bounds.contains(number, prereleases=True):
        raise _not_installed(extra, f"{name} {number} is installed on this machine, expected {bounds}")
    return f"{name}=={number}"


def _installed(name: str) -> PackageMetadata | None:
    try:
        return distribution(name).metadata
    except PackageNotFoundError:
        return None


def _named_by(package: str, extra: str, environment: dict[str, str]) -> list[Requirement]:
    """Return what a package needs with an extra; without its other needs unless the extra is empty."""
    requirements = [Requirement(text) for text in requires(package) or ()]
    with_extra, without = environment | {"extra": extra}, environment | {"extra": ""}
    return [
        requirement
        for requirement in requirements
        if (requirement.marker is None or requirement.marker.evaluate(with_extra))
        and (not extra or (requirement.marker is not None and not requirement.marker.evaluate(without)))
    ]


def _environment(python: str, machine: str) -> dict[str, str]:
    """Return the values of a board for the markers of requirements."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }


def _not_installed(extra: str, found: str) -> DeployError:
    return DeployError(
        f"{found}: mixer-edge {extra} on a board takes the versions of this machine; "
        f"pip install '{_RUNTIME}[{extra}]', then repeat"
    )
