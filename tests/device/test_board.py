"""The emulated boards are what they claim to be, fail as a Pi can fail, and leave nothing behind."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from emulator.board import BACKENDS, Board, BoardError, Server, fresh_board
from emulator.hardware import MODELS
from emulator.host import BINFMT, setup
from emulator.instructions import host_instructions, infer, instructions
from tests.device.conftest import TinyModel

Boards = Callable[[str], Board]
TinyModels = dict[str, TinyModel]
ALL = tuple(MODELS)
FIRST = "pi5-bookworm"


def ssh(server: Server, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run the user's own ssh against the board."""
    return subprocess.run(
        ["ssh", "-F", str(server.ssh_config), "board", *command], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("name", "python", "machine", "hardware", "part"),
    [
        ("pi5-bookworm", "Python 3.11", "aarch64", "Raspberry Pi 5 Model B Rev 1.0", "0xd0b"),
        ("pi4-bookworm", "Python 3.11", "aarch64", "Raspberry Pi 4 Model B Rev 1.4", "0xd08"),
        ("pi5-trixie", "Python 3.13", "aarch64", "Raspberry Pi 5 Model B Rev 1.0", "0xd0b"),
        ("pi4-trixie", "Python 3.13", "aarch64", "Raspberry Pi 4 Model B Rev 1.4", "0xd08"),
        ("pi-armhf", "Python 3.11", "armv7l", "Raspberry Pi 3 Model B Plus Rev 1.3", "0xd03"),
    ],
)
def test_board_is_the_one_named(board: Boards, name: str, python: str, machine: str, hardware: str, part: str) -> None:
    """Python, architecture, model string, processor, temperature and user are those of that Pi."""
    script = (
        "python3 --version | cut -d. -f1,2; uname -m; tr -d '\\0' < /sys/firmware/devicetree/base/model; echo;"
        "grep -c ^processor /proc/cpuinfo; grep part /proc/cpuinfo | uniq; cat /sys/class/thermal/thermal_zone0/temp;"
        "cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor; id -un; pwd"
    )
    assert board(name).run(["sh", "-c", script]).stdout.splitlines() == [
        *(python, machine, hardware, "4", f"CPU part\t: {part}", "48312", "ondemand", "pi", "/home/pi")
    ]


def test_failing_command_shows_what_it_printed(board: Boards) -> None:
    """A command that fails raises with its exit code and output, unless that is what the caller wants to look at."""
    with pytest.raises(BoardError) as caught:
        board(FIRST).run(["sh", "-c", "echo no; exit 3"])
    assert str(caught.value) == "`sh -c echo no; exit 3` ended with 3 on the board: no\n"
    assert board(FIRST).run(["no-such-command"], check=False).stderr == "no-such-command: No such file or directory\n"


def test_each_board_is_pristine(board: Boards) -> None:
    """What happens to one board is not seen by the next."""
    with fresh_board(FIRST) as other:
        other.run(["touch", "/home/pi/mark"])
        assert (other.home / "mark").exists()
        assert not (board(FIRST).home / "mark").exists()
    assert not other.folder.exists()


@pytest.mark.parametrize("name", ["pi5-bookworm", "pi4-bookworm", "pi5-trixie", "pi4-trixie"])
def test_litert_computes_what_the_host_does(board: Boards, tiny_models: TinyModels, name: str) -> None:
    """ai-edge-litert with numpy 2 gives the host's int8 output bit for bit, and its float output within 1e-5."""
    python = board(name).interpreter("ai-edge-litert")
    assert board(name).run([python, "-c", "import numpy; print(numpy.__version__[0])"]).stdout == "2\n"
    for dtype, tolerance in (("int8", 0.0), ("float32", 1e-5)):
        model = tiny_models[dtype]
        output = infer(board(name), model.path, model.image, "ai-edge-litert")
        assert output.dtype == model.output.dtype
        np.testing.assert_allclose(output.astype(float), model.output.astype(float), rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("name", "numpy_file"),
    [
        ("pi5-bookworm", "/opt/tflite-runtime/lib/python3.11/site-packages/numpy/__init__.py"),
        ("pi4-bookworm", "/opt/tflite-runtime/lib/python3.11/site-packages/numpy/__init__.py"),
        ("pi-armhf", "/usr/lib/python3/dist-packages/numpy/__init__.py"),
    ],
)
def test_tflite_runtime_stays_close_to_the_host(
    board: Boards, tiny_models: TinyModels, name: str, numpy_file: str
) -> None:
    """tflite-runtime with numpy 1, Debian's own on 32 bits, is within 2 steps in int8 and 1e-5 in float."""
    python = board(name).interpreter("tflite-runtime")
    script = "import numpy; print(numpy.__version__[0], numpy.__file__)"
    assert board(name).run([python, "-c", script]).stdout == f"1 {numpy_file}\n"
    for dtype, tolerance in (("int8", 2.0), ("float32", 1e-5)):
        model = tiny_models[dtype]
        output = infer(board(name), model.path, model.image, "tflite-runtime")
        assert output.dtype == model.output.dtype
        np.testing.assert_allclose(output.astype(float), model.output.astype(float), rtol=0, atol=tolerance)


def test_install_names_what_has_no_wheel(board: Boards) -> None:
    """A package without a wheel for the board's Python is an error that names the package and the architecture."""
    with pytest.raises(BoardError, match=r"^pip could not install tflite-runtime==2\.14\.0 for aarch64: "):
        board("pi5-trixie").install("/opt/none", ["tflite-runtime==2.14.0"])


@pytest.mark.parametrize("name", ["pi5-bookworm", "pi4-bookworm", "pi5-trixie"])
def test_onnxruntime_computes_what_the_host_does(board: Boards, tiny_models: TinyModels, name: str) -> None:
    """ONNX Runtime, a peer to compare with, gives for the float layer as an ONNX file what LiteRT gives on the host."""
    model = tiny_models["onnx"]
    output = infer(board(name), model.path, model.image, "onnxruntime")
    np.testing.assert_allclose(output, model.output, rtol=0, atol=1e-5)


@pytest.mark.parametrize("backend", list(BACKENDS))
@pytest.mark.parametrize("name", ["pi5-bookworm", "pi4-bookworm"])
def test_instructions_of_a_float_layer(board: Boards, tiny_models: TinyModels, name: str, backend: str) -> None:
    """A float dense layer of 64 x 32 is 2048 multiply-accumulates, four to an FMLA, on every board and twice over.

    The same four to an FMLA, ONNX Runtime scales the 32 sums and adds the bias.
    """
    onnx = backend == "onnxruntime"
    model = tiny_models["onnx" if onnx else "float32"]
    first, second = (instructions(board(name), model.path, model.image, backend) for _ in range(2))
    assert (first["fmla"], first["dot"]) == (520 if onnx else 512, 0)
    assert first == second
    assert first["fmla"] < first["simd"] < first["insn"]


def test_instructions_of_an_int8_layer(board: Boards, tiny_models: TinyModels) -> None:
    """In int8 the 2048 multiply-accumulates go sixteen to an SDOT on a Pi 5; a Pi 4 has none and needs more."""
    model = tiny_models["int8"]
    pi5, pi4 = (
        instructions(board(name), model.path, model.image, "ai-edge-litert")
        for name in ("pi5-bookworm", "pi4-bookworm")
    )
    assert (pi5["fmla"], pi5["dot"]) == (0, 128)
    assert (pi4["fmla"], pi4["dot"]) == (0, 0)
    assert pi5["insn"] < pi4["insn"]


def test_instructions_of_a_host_processor(tiny_models: TinyModels) -> None:
    """On this host without anything newer than AVX2 an int8 layer takes the same number of instructions twice over."""
    path = tiny_models["int8"].path
    first, second = (host_instructions(Path(sys.executable), path, "ai-edge-litert", "Haswell") for _ in range(2))
    assert first == second > 64 * 32 / 16


def test_host_instructions_of_a_bad_file(tmp_path: Path) -> None:
    """A file that the tool refuses is an error that names it."""
    (tmp_path / "bad.tflite").write_bytes(b"no model")
    with pytest.raises(BoardError, match=r"bad\.tflite failed under qemu-x86_64 -cpu Haswell: (?s:.)*ValueError"):
        host_instructions(Path(sys.executable), tmp_path / "bad.tflite", "ai-edge-litert", "Haswell")


def test_instructions_need_64_bits(board: Boards, tiny_models: TinyModels) -> None:
    """The counter knows AArch64 instructions only and says so on the 32-bit board."""
    message = "instructions are counted on 64-bit boards only, Raspberry Pi 3 Model B Plus Rev 1.3 here runs 32-bit"
    with pytest.raises(BoardError, match=f"^{message}$"):
        instructions(board("pi-armhf"), tiny_models["int8"].path, None, "tflite-runtime")


def test_instructions_from_the_command_line(tiny_models: TinyModels) -> None:
    """The command prints one JSON object per file, with noise for an input where none is given."""
    command = [sys.executable, "-m", "emulator.instructions", FIRST, str(tiny_models["int8"].path)]
    row = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert list(row) == ["board", "backend", "model", "insn", "simd", "fmla", "dot"]
    assert (row["board"], row["backend"], row["dot"]) == (FIRST, "ai-edge-litert", 128)


@pytest.mark.parametrize("name", ALL)
def test_ssh_session_runs_on_the_board(board: Boards, name: str) -> None:
    """The user's own ssh gets in by key, as pi, on the emulated processor that the board names."""
    with board(name).sshd() as server:
        done = ssh(server, "uname -m; echo $QEMU_CPU; id -un; pwd")
    model = MODELS[name]
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [model.machine, model.processor.qemu, "pi", "/home/pi"]


def test_new_login_finds_local_programs() -> None:
    """A login shell has ~/.local/bin on its PATH once the folder is there, as on a Raspberry Pi."""
    with fresh_board(FIRST) as board, board.sshd() as server:
        ssh(
            server,
            "mkdir -p .local/bin; printf '#!/bin/sh\\necho here\\n' > .local/bin/hello; chmod +x .local/bin/hello",
        )
        assert ssh(server, "bash -lc hello").stdout == "here\n"


def test_rsync_reaches_the_board(board: Boards, tmp_path: Path) -> None:
    """Rsync over that ssh brings a file, and brings nothing the second time."""
    (tmp_path / "file").write_text("content\n")
    with board(FIRST).sshd() as server:
        command = ["rsync", "-ai", "-e", f"ssh -F {server.ssh_config}", str(tmp_path / "file"), "board:file"]
        sent = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert sent == ["<f+++++++++ file\n", ""]
    assert (board(FIRST).home / "file").read_text() == "content\n"


def test_changed_host_key_is_refused(board: Boards, tmp_path: Path) -> None:
    """A known_hosts that knows another key ends the attempt with ssh's own code 255."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    with board(FIRST).sshd() as server:
        server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {(tmp_path / 'other.pub').read_text()}")
        done = ssh(server, "true")
    assert done.returncode == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr
    assert done.stderr.endswith("Host key verification failed.\n")


def test_unknown_host_key_is_refused(board: Boards) -> None:
    """An empty known_hosts is no reason to trust the first key that comes."""
    with board(FIRST).sshd() as server:
        server.known_hosts.write_text("")
        done = ssh(server, "true")
    assert done.returncode == 255
    assert done.stderr.endswith("Host key verification failed.\n")


def test_wrong_client_key_is_refused(board: Boards, tmp_path: Path) -> None:
    """A key that the board does not know gets "permission denied", and no question for a password."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    with board(FIRST).sshd() as server:
        config = server.ssh_config.read_text()
        server.ssh_config.write_text(config.replace(str(board(FIRST).folder / "client_key"), str(tmp_path / "other")))
        done = ssh(server, "true")
    assert (done.returncode, done.stderr) == (255, "pi@127.0.0.1: Permission denied (publickey).\n")


def test_kill_frees_the_port_and_ends_sessions(board: Boards) -> None:
    """Killing the board ends a session in the middle, leaves no process, and frees the port for a second start."""
    with board(FIRST).sshd() as server, _open_session(server) as session:
        server.kill()
        assert session.wait() == 255
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port))
        assert not Path(f"/proc/{server.process.pid}").exists()
        with board(FIRST).sshd(port=server.port) as again:
            assert ssh(again, "echo back").stdout == "back\n"


def test_cut_ends_sessions_but_not_the_board(board: Boards) -> None:
    """A cut connection ends the client with 255; the next one is taken."""
    with board(FIRST).sshd() as server, _open_session(server) as session:
        server.cut()
        assert session.wait() == 255
        assert ssh(server, "echo back").stdout == "back\n"


def test_busy_port_is_told(board: Boards) -> None:
    """A port on which something else would answer in the board's place is refused."""
    with board(FIRST).sshd() as server, pytest.raises(BoardError) as caught, board("pi-armhf").sshd(port=server.port):
        pass
    assert str(caught.value) == f"port {server.port} is not free: Address already in use"


def test_board_goes_with_a_killed_test_run() -> None:
    """A process that is killed while it serves ssh takes the board along: the port is free again."""
    script = (
        "from emulator.board import fresh_board\n"
        f"with fresh_board({FIRST!r}) as board, board.sshd() as server:\n"
        "    print(board.folder, server.process.pid, flush=True)\n"
        "    input()"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        folder, unshare = process.stdout.readline().split()
        process.kill()
    while Path(f"/proc/{unshare}").exists():
        time.sleep(0.1)
    subprocess.run(["umount", "--lazy", folder], check=True)
    Path(folder).rmdir()


def test_full_disk_and_room_again() -> None:
    """A home of limited size holds what was there, refuses more as a full disk does, and takes it when it grows."""
    with fresh_board(FIRST) as board:
        board.run(["sh", "-c", "head -c 1000000 /dev/zero > before"])
        with board.limited_home("4M") as resize, board.sshd() as server:
            full = ssh(server, "head -c 8000000 /dev/zero > more")
            assert full.stderr == "head: error writing 'standard output': No space left on device\n"
            assert ssh(server, "stat -c %s before; rm more").stdout == "1000000\n"
            resize("16M")
            assert ssh(server, "head -c 8000000 /dev/zero > more; stat -c %s more").stdout == "8000000\n"
        assert sorted(path.name for path in board.home.iterdir() if path.name[0] != ".") == ["before"]
        assert board.home.stat().st_uid == 1000


def test_setup_twice_changes_nothing() -> None:
    """The host that is ready stays as it is."""
    before = {path.name: path.read_text() for path in BINFMT.glob("qemu-*")}
    setup()
    assert {path.name: path.read_text() for path in BINFMT.glob("qemu-*")} == before
    assert {"qemu-aarch64", "qemu-arm"} <= set(before)


@pytest.mark.parametrize(
    ("prefix", "path", "message"),
    [
        (
            ["unshare", "--user"],
            os.environ["PATH"],
            "emulated boards need root for mounts and chroot: run again as root (sudo make test-device)",
        ),
        (
            ["setpriv", "--inh-caps=-all", "--bounding-set=-sys_admin"],
            os.environ["PATH"],
            "unshare is refused here: emulated boards need CAP_SYS_ADMIN (in a container: --privileged)",
        ),
        (
            [],
            "/nowhere",
            "not found: setpriv, unshare, qemu-aarch64-static, qemu-aarch64, mmdebstrap, arch-test, rsync, ssh, gcc: "
            "install what Debian packages as arch-test, gcc, mmdebstrap, openssh-client, qemu-user, qemu-user-static, "
            "rsync, util-linux",
        ),
    ],
)
def test_host_that_cannot_is_told_in_one_line(prefix: list[str], path: str, message: str) -> None:
    """Without root, without namespaces or without the programs, the set-up says so in one line and exits with 1."""
    done = subprocess.run(
        [*prefix, "env", f"PATH={path}", sys.executable, "-m", "emulator.root"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{message}\n")


@contextmanager
def _open_session(server: Server) -> Iterator["subprocess.Popen[str]"]:
    """Yield an ssh client whose remote command has begun and does not end."""
    command = ["ssh", "-F", str(server.ssh_config), "board", "echo begun; exec sleep 1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == "begun\n"
        yield session
