"""The command as users run it: in a process of its own, with a home of its own, on a pipe or on a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import termios
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple, NoReturn

from qacache.cli import run

PROJECT = Path(__file__).parents[1]
DEADLINE_S = 60
# a wrapper that does nothing, for a process that is no fork of this one: of one whose threads answer for a mount
APART = ("env",)

Argument = str | bytes | Path


class Done(NamedTuple):
    """How a command ended, and what it wrote: on a terminal, `out` is all that the terminal got."""

    status: int
    out: str
    err: str = ""

    @property
    def rows(self) -> list[dict[str, str]]:
        """The tab-separated lines, by header."""
        header, *lines = [line.split("\t") for line in self.out.removesuffix("\n").split("\n")]
        return [dict(zip(header, line, strict=True)) for line in lines]

    @property
    def records(self) -> list[dict[str, Any]]:
        """The lines as JSON."""
        return [json.loads(line) for line in self.out.removesuffix("\n").split("\n") if line]


class Terminal:
    """A pseudo-terminal with a program on it, whose output goes to the file `stdout`, where there is one."""

    def __init__(
        self, argv: Sequence[Argument], env: dict[str, str], cwd: Path, columns: int, stdout: Path | None = None
    ) -> None:
        self.screen = ""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        out = slave if stdout is None else os.open(stdout, os.O_WRONLY | os.O_CREAT)
        self.process = subprocess.Popen(argv, stdin=slave, stdout=out, stderr=slave, env=env, cwd=cwd)
        for descriptor in {slave, out}:
            os.close(descriptor)

    def read(self) -> Iterator[str]:
        """Yield all that is on the terminal so far, each time that there is more, until the program is gone."""
        data = b""
        try:
            while more := os.read(self._master, 65536):
                data += more
                self.screen = data.decode(errors="replace")
                yield self.screen
        except OSError:
            return

    def read_until(self, *words: str) -> str:
        """Return what is on the terminal once all `words` are; fail where the program ends before."""
        for screen in self.read():
            if all(word in screen for word in words):
                return screen
        raise AssertionError(f"not all of {words} in {self.screen!r}")

    def wait(self) -> Done:
        """Read to the end."""
        before = self.screen
        for _ in self.read():
            pass
        os.close(self._master)
        after = self.screen if self.screen != before else ""
        return Done(self.process.wait(DEADLINE_S), (before + after).replace("\r\n", "\n"))


class Command:
    """Runs `qacache` in the home `home`; `variables` are added to an environment that has none of its own."""

    def __init__(self, home: Path, **variables: str) -> None:
        self.home = home
        self.db = home / "data" / "qacache" / "qacache.db"
        self.config = home / "config" / "qacache" / "config.toml"
        home.mkdir(exist_ok=True)
        self._environment = {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_DATA_HOME": str(home / "data"),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
            **variables,
        }

    def __call__(
        self,
        *arguments: Argument,
        stdin: bytes = b"",
        cwd: Path | None = None,
        wrapper: Sequence[Argument] = (),
        **variables: str,
    ) -> Done:
        """Run the command to its end.

        Without a `wrapper` it runs in a fork of this process, where Python and all packages are loaded already.
        """
        if not wrapper:
            return _run_forked(arguments, stdin, cwd or self.home, self._environment | variables)
        done = subprocess.run(
            [*wrapper, *_argv(arguments)],
            input=stdin,
            capture_output=True,
            env=self._environment | variables,
            cwd=cwd or self.home,
            timeout=DEADLINE_S,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *arguments: Argument, **variables: str) -> subprocess.Popen[bytes]:
        """Return the running command; its output is there to be read, and it is there to be waited for."""
        return subprocess.Popen(
            _argv(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment | variables,
            cwd=self.home,
        )

    def on_terminal(
        self, *arguments: Argument, columns: int = 80, stdout: Path | None = None, **variables: str
    ) -> Terminal:
        """Return the terminal on which the command now runs; its data goes to the file `stdout`, where there is one."""
        return Terminal(_argv(arguments), self._environment | variables, self.home, columns, stdout)


def probed_by(ffprobe: Path | str) -> dict[str, str]:
    """Return the variables with which `ffprobe` probes, and nothing else."""
    return {"QACACHE_FFPROBE_ENGINE": "ffprobe", "QACACHE_FFPROBE_PATH": str(ffprobe)}


def make_ffprobe(path: Path, before: str) -> Path:
    """Return `path`, now an ffprobe that runs the shell script `before` ahead of each probe."""
    real = shutil.which("ffprobe")
    return make_script(path, f'case "$*" in *-version*) ;; *)\n{before}\n;; esac\nexec {real} "$@"')


def make_parrot(folder: Path, clips: Path) -> Path:
    """Return `folder`, now with an `ffprobe` that is quick: it says of all files what the real one says of a clip.

    Of files called `wide...` that is `clips/wide.mkv`, of those called `broken...` that they are, of all others
    `clips/portrait.mp4`.
    """
    folder.mkdir()
    for clip in (clips / "portrait.mp4", clips / "wide.mkv"):
        asked = ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", clip]
        (folder / clip.stem).write_bytes(subprocess.run(asked, capture_output=True, check=True).stdout)
    make_script(
        folder / "ffprobe",
        f"""case "$*" in
        *-version*) echo ffprobe version 5.1.9 ;;
        */broken*) echo Invalid data found when processing input >&2; exit 1 ;;
        */wide*) cat {folder}/wide ;;
        *) cat {folder}/portrait ;;
        esac""",
    )
    return folder


def make_script(path: Path, text: str) -> Path:
    """Return `path`, now a program: the shell script `text`."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def hanging_ffprobe(folder: Path) -> Path:
    """Return an ffprobe that hangs on files called `slow...` until there is a file `folder/go`."""
    hang = f'case "$*" in */slow*) while [ ! -e "{folder}/go" ]; do sleep 0.05; done ;; esac'
    return make_ffprobe(folder / "hanging-ffprobe", hang)


def respecting_permissions() -> list[str]:
    """The wrapper that takes root's right to read and write everything away; nothing for everybody else."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    return [setpriv, "--bounding-set=-dac_override,-dac_read_search"] if setpriv else []


def processes_about(text: str) -> list[str]:
    """The command lines of all processes that `text` occurs in; Linux only."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


def _run_forked(arguments: Sequence[Argument], stdin: bytes, cwd: Path, env: dict[str, str]) -> Done:
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        pid = os.fork()
        if pid == 0:
            for number, file in enumerate((given, out, err)):
                os.dup2(file.fileno(), number)
            os.chdir(cwd)
            os.environ.clear()
            os.environ.update(env)
            _run_and_exit([os.fsdecode(argument) for argument in arguments])
        _, status = os.waitpid(pid, 0)
        out.seek(0)
        err.seek(0)
        return Done(os.waitstatus_to_exitcode(status), out.read().decode(), err.read().decode())


def _run_and_exit(arguments: list[str]) -> NoReturn:
    """Be the command from now on: what `python -m qacache` does, with streams as Python makes them."""
    status = 99
    signal.alarm(DEADLINE_S)
    try:
        sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115  # open as long as the process runs
        sys.stdout = open(1, "w", encoding="utf-8")  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115
        status = run(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def _argv(arguments: Sequence[Argument]) -> list[Argument]:
    return [sys.executable, "-m", "qacache", *arguments]
