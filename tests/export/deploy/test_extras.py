"""Which packages an extra of the runtime brings to a board, from the metadata of this machine."""

from importlib import metadata
from pathlib import Path

import pytest

from mixer_edge_export.deploy.extras import extra_names, extra_requirements
from mixer_edge_export.deploy.ssh import DeployError

SERVE = ("anyio", "click", "h11", "idna", "prometheus-client", "python-multipart", "starlette")


def pinned(*names: str) -> list[str]:
    """Return these packages with the versions of this machine."""
    return [f"{name}=={metadata.version(name)}" for name in names]


def install(folder: Path, name: str, version: str, *, python: str = "", needs: tuple[str, ...] = ()) -> None:
    """Write the metadata of a package, as an installation leaves it."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {python}"] if python else []
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {need}" for need in needs)]) + "\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder with installed packages."""
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    return tmp_path


def test_the_names_of_an_extra() -> None:
    """Those that the extra itself names, without what the runtime always needs."""
    assert sorted(extra_names("serve")) == ["anyio", "prometheus-client", "python-multipart", "starlette", "uvicorn"]


@pytest.mark.parametrize(("python", "machine"), [("3.11", "aarch64"), ("3.11", "armv7l"), ("3.12", "x86_64")])
def test_serve_is_closed_over_its_dependencies(python: str, machine: str) -> None:
    """With the versions of this machine, so that a board needs no other index and no resolver."""
    found = extra_requirements("serve", python=python, machine=machine)
    assert list(found) == pinned(*SERVE, "typing-extensions", "uvicorn")


def test_a_python_that_needs_more_than_this_one(site: Path) -> None:
    """What only the board's Python needs has no version here, and what is for newer ones has another version there."""
    needs = ("a>=2; extra == 'serve'", "b>=1; extra == 'serve'", "numpy>=1")
    install(site, "mixer-edge", "0.1", needs=needs)
    install(site, "a", "3", needs=("old>=1.0.2; python_version < '3.11'", "new; python_version >= '3.11'"))
    install(site, "b", "4", python=">=3.11", needs=("c<9",))
    install(site, "c", "5", needs=("c[more]", "a!=2.5; platform_machine == 'aarch64'"))
    install(site, "new", "7")
    assert extra_requirements("serve", python="3.10", machine="aarch64") == ("a==3", "b>=1", "c==5", "old>=1.0.2")
    assert extra_requirements("serve", python="3.11", machine="armv7l") == ("a==3", "b==4", "c==5", "new==7")


def test_an_extra_of_a_dependency(site: Path) -> None:
    """It is followed, too, and other extras are not."""
    install(site, "mixer-edge", "0.1", needs=("a[fast]; extra == 'serve'", "z; extra == 'mqtt'"))
    install(site, "a", "1", needs=("b; extra == 'fast'", "c; extra == 'slow'"))
    install(site, "b", "2")
    assert extra_requirements("serve", python="3.11", machine="aarch64") == ("a==1", "b==2")


REMEDY = "mixer-edge serve on a board takes the versions of this machine; pip install 'mixer-edge[serve]', then repeat"


def test_an_extra_that_is_not_installed(site: Path) -> None:
    """The message is one line that says what to install."""
    install(site, "mixer-edge", "0.1", needs=("starlette>=0.46; extra == 'serve'",))
    with pytest.raises(DeployError) as caught:
        extra_requirements("serve", python="3.11", machine="aarch64")
    assert str(caught.value) == f"starlette is not installed on this machine: {REMEDY}"


def test_a_version_that_is_too_old(site: Path) -> None:
    """It is not taken to a board."""
    install(site, "mixer-edge", "0.1", needs=("starlette>=0.46; extra == 'serve'",))
    install(site, "starlette", "0.40")
    with pytest.raises(DeployError) as caught:
        extra_requirements("serve", python="3.11", machine="aarch64")
    assert str(caught.value) == f"starlette 0.40 is installed on this machine, expected >=0.46: {REMEDY}"
