"""The shell scripts that change a board: POSIX sh, coreutils, util-linux and the Python there."""

from __future__ import annotations

import shlex
from pathlib import Path, PurePosixPath

from mixer_edge.release import RELEASE_NAME
from mixer_edge_export import signed
from mixer_edge_export.deploy.command import RUN
from mixer_edge_export.deploy.layout import (
    BASE,
    NEWEST_FIRST,
    SETTINGS,
    SIGNED,
    SIGNERS,
    WRAPPER,
    Lock,
    ours,
)
from mixer_edge_export.deploy.ssh import BUSY

WAIT_S = 300
"""How long a script waits for its lock."""
DEPLOYING = 75
"""Exit code of ``CONNECTED`` if another deploy is connected."""

CONNECTED = f"""
cd && mkdir -p {BASE}/releases && cd {BASE} || exit
exec 8>>deploy.lock && flock --nonblock 8 || exit {DEPLOYING}
echo locked
exec cat >/dev/null
"""


def holding(lock: Lock, script: str) -> str:
    """Return a script that waits for ``lock``, holds it, and runs ``script`` in ``BASE``."""
    # A step that still runs after a lost connection writes the same files as this script, so wait for it.
    return f"""
set -eu
cd
mkdir -p {PurePosixPath(lock.path).parent}
exec 9>>{lock.path}
flock --wait {WAIT_S} 9 || exit {BUSY}
cd {BASE}
{script}"""


PREPARE = """
for folder in releases/*.partial; do
    [ "$folder" = "releases/$1.partial" ] || rm -rf "$folder"
done
mkdir -p "releases/$1.partial"
"""

# $1 ... are names of packages.
_COMPILE = """
import compileall, importlib.metadata as metadata, sys
for name in sys.argv[1:]:
    for file in metadata.files(name) or ():
        if file.suffix == ".py":
            compileall.compile_file(str(file.locate()), quiet=2)
"""

# pip runs from its own wheel: this needs neither Debian's ensurepip nor a pip in the venv. $3 ... are compiled.
INSTALL = f"""
cd "releases/$1.partial"
rm -rf venv
if [ "$2" = system ]; then python3 -m venv --without-pip --system-site-packages venv
else python3 -m venv --without-pip venv; fi
venv/bin/python -I "$(echo wheels/pip-*.whl)/pip" --isolated install --quiet --no-input --disable-pip-version-check \\
    --no-index --find-links wheels --no-deps --require-hashes --no-compile --no-cache-dir --ignore-installed \\
    --requirement requirements.txt </dev/null
shift 2
[ $# = 0 ] || venv/bin/python -I -c {shlex.quote(_COMPILE)} "$@"
"""

VERIFY = f"""
release=$PWD/releases/$1
cd "$release"
{RUN}verify bundle --variant "$2" --backend "$3" --json </dev/null
"""

# $1 is the text of the file, $2 whether it may replace another one.
SET_SIGNERS = f"""
[ "$(cat ~/{SIGNERS} 2>/dev/null)" != "$1" ] || exit 0
if [ -e ~/{SIGNERS} ] && [ "$2" != replace ]; then
    echo "~/{SIGNERS} there has other signers; to replace them: --replace-signers" >&2
    exit 1
fi
mkdir -p ~/{SETTINGS}
printf '%s\\n' "$1" | cat > ~/{SIGNERS}.new
sync ~/{SIGNERS}.new
mv -T ~/{SIGNERS}.new ~/{SIGNERS}
sync ~/{SETTINGS}
"""

OLDER = "this bundle is older: a newer one was in use here"
# Nothing of the release takes part: only the Python and the OpenSSH of the board.
_CHECK_SIGNED = f"""
if [ -e ~/{SIGNERS} ]; then
    new=releases/$1
    [ -d "$new" ] || new=$new.partial
    bundle=$(python3 -I -c {shlex.quote(Path(signed.__file__).read_text("utf-8"))} "$new/bundle" ~/{SIGNERS}) || exit 1
    if ! grep -qsxF "$bundle" ~/{SIGNED}; then printf '%s\\n' "$bundle" | cat >> ~/{SIGNED}
    elif [ "$(tail -n 1 ~/{SIGNED})" != "$bundle" ]; then echo "{OLDER}"; fi
fi
"""

# After a power cut, the disk has the renames up to some point, and the content of files only if it was flushed. So
# flush before the first rename, and after the last one.
_FLUSH = """
flush() {
    sync -f .
    [ "$(stat -c %d .)" = "$(stat -c %d ~/.local/bin)" ] || sync -f ~/.local/bin
}
"""

# Renames and removals only, so that a full disk does not stop it.
_BACK = f"""
back() {{
    if [ -L current.old ]; then mv -T current.old current; else rm -f current ~/{WRAPPER}; fi
    if [ -L previous.old ]; then mv -T previous.old previous; else rm -f previous; fi
    rm -f current.new previous.new history.new ~/{WRAPPER}.new
}}
"""

# $2 is the text of the command. What needs space comes before the first rename. A failed script changes nothing.
SWITCH = f"""{_CHECK_SIGNED}{_FLUSH}{_BACK}
old=$(readlink current || true)
before=$(readlink previous || true)
rm -f current.old previous.old current.new previous.new history.new ~/{WRAPPER}.new
linked=
moved=
undo() {{
    [ "$1" != 0 ] || return 0
    set +e
    [ -z "$linked" ] || back
    rm -f current.old previous.old
    [ -z "$moved" ] || mv -T "$moved" "$moved.partial"
    flush
}}
trap 'undo $?' EXIT
[ -z "$old" ] || ln -s "$old" current.old
[ -z "$before" ] || ln -s "$before" previous.old
linked=yes
mkdir -p ~/.local/bin
if ! [ -x ~/{WRAPPER} ] || [ "$(cat ~/{WRAPPER})" != "$2" ]; then
    printf '%s\\n' "$2" | cat > ~/{WRAPPER}.new
    chmod 755 ~/{WRAPPER}.new
fi
if [ "$old" != "releases/$1" ]; then
    [ -z "$old" ] || ln -s "$old" previous.new
    ln -s "releases/$1" current.new
fi
{{ printf '%s\\n' "$1" "${{old#releases/}}"; {NEWEST_FIRST}; }} | awk 'NF && !seen[$0]++' > history.new
flush
[ -d "releases/$1" ] || {{ mv -T "releases/$1.partial" "releases/$1"; moved=releases/$1; }}
[ ! -e ~/{WRAPPER}.new ] || mv -T ~/{WRAPPER}.new ~/{WRAPPER}
[ ! -L previous.new ] || mv -T previous.new previous
[ ! -L current.new ] || mv -T current.new current
mv -T history.new history
flush
"""

SWITCH_BACK = f"""{_FLUSH}{_BACK}
back
flush
"""

# Rename a release before removing its files: a partly removed release never looks complete.
TIDY = f"""
current=$(basename "$(readlink current)")
previous=$(basename "$(readlink previous || true)")
[ -e previous ] || rm -f previous
count=1
[ ! -e previous ] || [ "$previous" = "$current" ] || count=2
for name in $({NEWEST_FIRST}); do
    case $name in "$current" | "$previous") continue ;; esac
    count=$((count + 1))
    [ "$count" -le "$1" ] || mv -T "releases/$name" "releases/$name.partial"
done
rm -rf releases/*.partial
rm -f current.old previous.old
"""

SMOKE = f"""
cd current
set -- "$1" "$4" --variant "$2" --backend "$3"
[ "$1" != classification ] || ~/{WRAPPER} classify bundle smoke.png --json --top-k 1 "$3" "$4" "$5" "$6" </dev/null
~/{WRAPPER} benchmark bundle smoke.png --json --runs 10 --threads "$2" "$3" "$4" "$5" "$6" </dev/null
"""

DISCARD = 'rm -rf "releases/$1.partial"'

# $1 is "signers" if they are to be removed too. While there is a current release, there is a command that runs it.
REMOVE_ALL = f"""
rm -rf removed
rm -f current current.old previous previous.old history
if {ours(f"~/{WRAPPER}")}; then rm -f ~/{WRAPPER}; fi
[ ! -d releases ] || mv -T releases removed
cd && rm -rf {BASE}
[ "$1" != signers ] || rm -rf {SETTINGS}
sync -f .
for folder in {PurePosixPath(BASE).parent} {PurePosixPath(WRAPPER).parent}; do
    [ ! -d $folder ] || [ "$(stat -c %d .)" = "$(stat -c %d $folder)" ] || sync -f $folder
done
"""

# These change nothing, so they need no lock.
READ_RELEASE = f'cat ~/{BASE}/releases/"$1"/{RELEASE_NAME} 2>/dev/null || true'

READ_REQUIREMENTS = f'cat ~/{BASE}/releases/"$1"/requirements.txt 2>/dev/null || true'

FILE_SHA256 = f'sha256sum < ~/{BASE}/releases/"$1/$2"'

BENCHMARK = f'~/{WRAPPER} benchmark ~/{BASE}/current/bundle --json --variant "$1" --backend "$2" --runs "$3" </dev/null'

# $1 is the text of the command. Prints why it does not run.
CHECK_COMMAND = f"""
if [ "$(cat ~/{WRAPPER} 2>/dev/null)" != "$1" ]; then echo "~/{WRAPPER} there is not the one that deploy writes"
elif ! said=$(~/{WRAPPER} --version 2>&1 </dev/null); then
    said=$(printf '%s\\n' "$said" | tail -n 1)
    printf '%s\\n' "${{said:-~/{WRAPPER} there ends without a message}}"
fi
"""
