"""The releases on a board, each a folder of its own; one of them is in use, and which one changes in one rename.

::

    ~/.local/share/mixer-edge/
        current -> releases/<name>      what ~/.local/bin/mixer-edge runs
        previous -> releases/<name>     what rollback goes back to
        releases/<name>/                bundle/ wheels/ venv/ requirements.txt release.json smoke.png
        releases/<name>.partial/        a release that is not whole, or no longer
        deploy.lock                     held as long as a deploy, rollback or undeploy is connected
        step.lock                       held by each step itself, which runs on when its connection or client is lost

A name is the release's fingerprint; a release that was damaged on the board comes back as ``<fingerprint>-2``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mixer_edge_export.deploy.probe import BASE, MARK, WRAPPER
from mixer_edge_export.deploy.ssh import Connection, DeployError, RemoteError

_LOCK_TAKEN, _STEP_RUNNING = 75, 76
_STEP_WAIT_S = 300
STEP_LOCK = f"{BASE}/step.lock"

_LOCK = f"""
cd && mkdir -p {BASE}/releases && cd {BASE} || exit
exec 8>>deploy.lock && flock --nonblock 8 || exit {_LOCK_TAKEN}
echo locked
exec cat >/dev/null
"""

# What a lost connection or client left running is waited for: its files are those that the next step writes.
_STEP = f"""
set -eu
cd
exec 9>>{STEP_LOCK}
cd {BASE}
flock --wait {_STEP_WAIT_S} 9 || exit {_STEP_RUNNING}
"""

_PREPARE = """
for folder in releases/*.partial; do
    [ "$folder" = "releases/$1.partial" ] || rm -rf "$folder"
done
mkdir -p "releases/$1.partial"
"""

# pip comes from its own wheel: neither Debian's ensurepip nor a pip in the venv is needed.
_INSTALL = """
cd "releases/$1.partial"
rm -rf venv
if [ "$2" = system ]; then python3 -m venv --without-pip --system-site-packages venv
else python3 -m venv --without-pip venv; fi
venv/bin/python -I "$(echo wheels/pip-*.whl)/pip" --isolated install --quiet --no-input --disable-pip-version-check \\
    --no-index --find-links wheels --no-deps --require-hashes --no-compile --no-cache-dir --ignore-installed \\
    --requirement requirements.txt </dev/null
"""

_VERIFY = """
cd "releases/$1"
venv/bin/python -I -m mixer_edge verify bundle --variant "$2" --backend "$3" --json </dev/null
"""

# The files are on the disk before the name that leads to them is.
_SWITCH = f"""
[ -d "releases/$1" ] || mv -T "releases/$1.partial" "releases/$1"
touch "releases/$1"
sync -f .
old=$(readlink current || true)
if [ "$old" != "releases/$1" ]; then
    if [ -n "$old" ]; then ln -sfn "$old" previous.new; mv -T previous.new previous; fi
    ln -sfn "releases/$1" current.new
    mv -T current.new current
fi
mkdir -p ~/.local/bin
cat > ~/{WRAPPER}.new <<'EOF'
#!/bin/sh
{MARK}
exec "$(readlink -f ~/{BASE}/current)/venv/bin/python" -I -m mixer_edge "$@"
EOF
chmod 755 ~/{WRAPPER}.new
mv -T ~/{WRAPPER}.new ~/{WRAPPER}
"""

_SWITCH_BACK = """
if [ -n "$1" ]; then ln -sfn "releases/$1" current.new; mv -T current.new current
else rm -f current; fi
"""

# A release loses its name before its files: half of one is never taken for a whole one.
_TIDY = """
current=$(basename "$(readlink current)")
count=1
for name in $(ls -t releases); do
    case $name in "$current" | *.partial) continue ;; esac
    count=$((count + 1))
    [ "$count" -le "$1" ] || mv -T "releases/$name" "releases/$name.partial"
done
rm -rf releases/*.partial
[ -e previous ] || rm -f previous
"""

_SMOKE = f"""
cd current
set -- "$1" --variant "$2" --backend "$3"
[ "$1" != classification ] || ~/{WRAPPER} classify bundle smoke.png --json --top-k 1 "$2" "$3" "$4" "$5" </dev/null
~/{WRAPPER} benchmark bundle smoke.png --json --runs 10 --threads 1 "$2" "$3" "$4" "$5" </dev/null
"""

_UNDEPLOY = f"""
rm -rf current previous releases
if grep -qsF '{MARK}' ~/{WRAPPER}; then rm -f ~/{WRAPPER}; fi
cd && rm -rf {BASE}
"""


@contextmanager
def locked(connection: Connection) -> Iterator[None]:
    """Keep other deploys off the board until the block ends or the connection is lost.

    Raises:
        DeployError: another one is at work there.
    """
    with connection.start(_LOCK) as holder:
        assert holder.stdin is not None  # for mypy: all three are pipes
        assert holder.stdout is not None
        assert holder.stderr is not None
        try:
            if holder.stdout.readline() != "locked\n":
                holder.stdin.close()
                if holder.wait() == _LOCK_TAKEN:
                    raise DeployError(
                        f"{connection.host}: another deploy is at work on this board; repeat when it is done"
                    )
                connection.run("exit 0")  # says what is wrong with the connection, if that is what it is
                raise DeployError(f"{connection.host}: cannot write ~/{BASE}: {holder.stderr.read().strip()}")
            yield
        finally:
            holder.stdin.close()
            holder.wait()


def prepare(connection: Connection, name: str) -> None:
    """Make the folder that the release is copied to; what other unfinished releases left is removed."""
    _step(connection, _PREPARE, name)


def install(connection: Connection, name: str, *, system_packages: bool) -> None:
    """Make the venv of a copied release and install its wheels, each checked against its sha256."""
    _step(connection, _INSTALL, name, "system" if system_packages else "own")


def verify(connection: Connection, folder: str, variant: str, backend: str) -> dict[str, Any]:
    """Return what ``mixer-edge verify`` says on the board about a variant of the release in ``releases/<folder>``.

    Raises:
        RemoteError: a file is damaged, or the board computes something else.
    """
    try:
        output = _step(connection, _VERIFY, folder, variant, backend)
    except RemoteError as error:
        if error.code != 1 or not error.stdout.startswith("{"):
            raise
        (result,) = json.loads(error.stdout)["variants"]
        raise RemoteError(
            f"{connection.host}: the board does not compute what the workstation computed: {variant} differs by "
            f"{result['max_error']:.2g} of the largest golden output, tolerance {result['tolerance']:g} ({backend})",
            code=1,
            stdout=error.stdout,
            stderr=error.stderr,
        ) from None
    (result,) = json.loads(output)["variants"]
    return dict(result)


def switch(connection: Connection, name: str) -> None:
    """Put a release to use: ``current`` and the command in ``~/.local/bin`` lead to it."""
    _step(connection, _SWITCH, name)


def switch_back(connection: Connection, name: str) -> None:
    """Put the release to use that was in use before, or none if ``name`` is empty."""
    _step(connection, _SWITCH_BACK, name)


def smoke(connection: Connection, task: str, variant: str, backend: str) -> list[dict[str, Any]]:
    """Return what ``classify`` (not for a feature extractor) and ``benchmark`` of the release in use print."""
    return [json.loads(line) for line in _step(connection, _SMOKE, task, variant, backend).splitlines()]


def tidy(connection: Connection, keep: int) -> None:
    """Remove all but the newest ``keep`` releases, the one in use being the newest, and whatever is unfinished."""
    _step(connection, _TIDY, str(keep))


def discard(connection: Connection, name: str) -> None:
    """Remove an unfinished release."""
    _step(connection, 'rm -rf "releases/$1.partial"', name)


def remove_all(connection: Connection) -> None:
    """Remove every release, the command, and the folder."""
    _step(connection, _UNDEPLOY)


def _step(connection: Connection, script: str, *arguments: str) -> str:
    try:
        return connection.run(_STEP + script, *arguments)
    except RemoteError as error:
        if error.code == _STEP_RUNNING:
            raise DeployError(
                f"{connection.host}: a step of an earlier deploy still runs there after {_STEP_WAIT_S} s; repeat later"
            ) from None
        raise
