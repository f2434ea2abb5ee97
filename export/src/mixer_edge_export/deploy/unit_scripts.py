"""The shell scripts that change the unit of the service on a board, and start it."""

from __future__ import annotations

from mixer_edge_export.deploy.layout import KEPT, SETTINGS, TOKEN, UNIT, UNIT_FOLDER, ours

NAME = "mixer-edge.service"
_NEW = f"{UNIT_FOLDER}/.mixer-edge.new"

READ = f"cat ~/{UNIT}"
# The new unit has its final name in a folder beside the old one: systemd checks names, and a rename is one step. What
# needs space is here, before the switch.
PREPARE = f"""
set -eu
cd
if [ -e {UNIT} ] && ! {ours(UNIT)}; then
    echo "error: ~/{UNIT} there was not written by deploy; move it away, then repeat" >&2
    exit 1
fi
mkdir -p {UNIT_FOLDER}
# The service cannot make these: its home is read-only but for the folders of KEPT.
(
    umask 077
    mkdir -p {" ".join(KEPT)} {SETTINGS}
    case $1 in *"Description=mixer-edge serve"*)
        if [ ! -e {TOKEN} ]; then
            head -c 32 /dev/urandom | base64 | tr -dc 0-9A-Za-z > {TOKEN}.new
            sync {TOKEN}.new
            mv {TOKEN}.new {TOKEN}
        fi ;;
    esac
)
rm -rf {_NEW} {UNIT}.old
trap '[ $? = 0 ] || rm -rf {_NEW} {UNIT}.old' EXIT
mkdir {_NEW}
printf %s "$1" | cat > {_NEW}/{NAME}
[ ! -e {UNIT} ] || ln {UNIT} {UNIT}.old
sync {_NEW}/{NAME}
"""
# systemd checks that the command exists, so this comes after the switch.
COMMIT = f"""
set -eu
cd
if command -v systemd-analyze >/dev/null 2>&1; then
    XDG_RUNTIME_DIR=${{XDG_RUNTIME_DIR:-$HOME/{_NEW}}} systemd-analyze --user verify {_NEW}/{NAME}
fi
mv -T {_NEW}/{NAME} {UNIT}
rm -rf {_NEW}
sync {UNIT_FOLDER}
"""
DONE = f"cd && rm -rf {_NEW} {UNIT}.old"
BACK = f"""
set -eu
cd
if [ -e {UNIT}.old ]; then
    mv -T {UNIT}.old {UNIT}
    sync {UNIT_FOLDER}
    if systemctl --user daemon-reload 2>/dev/null && systemctl --user --quiet is-enabled {NAME}; then
        systemctl --user restart {NAME}
    fi
else
    systemctl --user disable --now {NAME} 2>/dev/null || true
    rm -f {UNIT}
    sync {UNIT_FOLDER}
    systemctl --user daemon-reload 2>/dev/null || true
fi
rm -rf {_NEW}
"""
_LOG = f"{{ sleep 1; journalctl --user-unit {NAME} --no-pager --output cat --lines 10 2>/dev/null; exit 1; }}"
"""Print the service's last lines and fail."""
START = f"""
set -e
systemctl --user daemon-reload
systemctl --user enable {NAME}
sync -f ~/{UNIT_FOLDER}
systemctl --user restart {NAME} >&2 || {_LOG}
"""
RELOAD = "systemctl --user daemon-reload"
RESTART = f"! {ours(f'~/{UNIT}')} || systemctl --user try-restart {NAME} >&2 || {_LOG}"
REMOVE = f"""
if {ours(f"~/{UNIT}")}; then
    systemctl --user disable --now {NAME} 2>/dev/null || true
    rm -f ~/{UNIT}
    systemctl --user daemon-reload 2>/dev/null || true
fi
rm -rf ~/{_NEW} ~/{UNIT}.old
cd && rmdir {" ".join(KEPT)} {SETTINGS} 2>/dev/null || true
"""
