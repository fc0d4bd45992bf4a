"""The runner of programs: real children that do everything that they should not."""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from qacache.probe import children
from qacache.probe.process import Bounds, Completed, Processes

# Far beyond the time that any test takes: what waits for it hangs.
NEVER_S = 600.0
SOON_S = 0.3
# Enough for a shell to get to its point on a busy machine.
LATER_S = 1.0
GIB = 1024**3
CAN_LIMIT = hasattr(resource, "prlimit")

needs_limits = pytest.mark.skipif(not CAN_LIMIT, reason="this system cannot limit another process")


def run(*argv: str, timeout_s: float = NEVER_S, **bounds: int) -> Completed:
    return Processes(Bounds(timeout_s=timeout_s, **bounds)).run(argv)


def run_shell(script: str, *arguments: str, timeout_s: float = NEVER_S, **bounds: int) -> Completed:
    return run("sh", "-c", script, *arguments, timeout_s=timeout_s, **bounds)


def run_python(code: str, timeout_s: float = NEVER_S, **bounds: int) -> Completed:
    return run(sys.executable, "-c", code, timeout_s=timeout_s, **bounds)


class Line:
    """A named pipe to a child and its own children: what they write, and whether one of them still holds it."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = str(path)
        self._reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def read(self) -> bytes:
        """What was written, as soon as something is."""
        assert self._changes(), "nobody wrote to the line"
        return os.read(self._reader, 1000)

    def is_let_go(self) -> bool:
        """Whether nobody holds the line any more, or soon does not; nothing that was written is left unread."""
        return self._changes() and os.read(self._reader, 1000) == b""

    def close(self) -> None:
        os.close(self._reader)

    def _changes(self) -> bool:
        poll = select.poll()
        poll.register(self._reader, select.POLLIN | select.POLLHUP)
        return bool(poll.poll(10_000))


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(tmp_path / "line")
    yield line
    line.close()


@pytest.fixture
def in_background() -> Iterator[Callable[[Callable[[], Completed]], Future[Completed]]]:
    with ThreadPoolExecutor() as pool:
        yield pool.submit


# what a program prints and how it ends


def test_program_that_ends_gives_its_status_and_what_it_printed() -> None:
    done = run_shell("echo printed; echo said >&2; exit 3")

    assert done == Completed("exited", 3, b"printed\n", b"said\n")


def test_long_output_is_whole() -> None:
    done = run_python("print('x' * 1_000_000, end='')")

    assert (done.end, len(done.stdout)) == ("exited", 1_000_000)


def test_program_that_a_signal_kills_has_minus_its_number_as_status() -> None:
    done = run_shell("kill -SEGV $$")

    assert (done.end, done.returncode) == ("exited", -signal.SIGSEGV)


def test_program_that_is_not_there_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run(str(tmp_path / "none"))


def test_program_that_is_not_executable_cannot_be_started(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("echo")

    with pytest.raises(PermissionError):
        run(str(program))


# bounds


def test_program_that_does_not_end_is_killed_at_the_deadline() -> None:
    done = run_shell("echo printed; exec sleep 1000", timeout_s=LATER_S)

    assert done == Completed("timeout", -signal.SIGKILL, b"printed\n", b"")


def test_program_that_ignores_every_signal_that_can_be_ignored_is_killed() -> None:
    done = run_shell("trap '' TERM INT HUP QUIT XCPU; while :; do sleep 1; done", timeout_s=SOON_S)

    assert (done.end, done.returncode) == ("timeout", -signal.SIGKILL)


def test_program_that_is_stopped_is_killed_at_the_deadline() -> None:
    done = run_shell("kill -STOP $$", timeout_s=SOON_S)

    assert (done.end, done.returncode) == ("timeout", -signal.SIGKILL)


def test_program_that_closes_its_output_and_lives_on_is_killed_at_the_deadline() -> None:
    done = run_shell("exec >&- 2>&-; exec sleep 1000", timeout_s=SOON_S)

    assert (done.end, done.returncode) == ("timeout", -signal.SIGKILL)


def test_children_of_a_wrapper_that_hold_its_output_are_killed_with_it(line: Line) -> None:
    done = run_shell('exec 9>"$0"; sleep 1000 & sleep 1000 & wait', line.path, timeout_s=LATER_S)

    assert done.end == "timeout"
    assert line.is_let_go()


def test_children_of_a_wrapper_that_has_ended_are_killed_at_the_deadline(line: Line) -> None:
    done = run_shell('exec 9>"$0"; sleep 1000 &', line.path, timeout_s=LATER_S)

    assert done.end == "timeout"
    assert line.is_let_go()


def test_program_that_prints_without_end_is_killed_soon() -> None:
    done = run("yes", stdout_bytes=100_000)

    assert (done.end, done.returncode) == ("too-much-output", -signal.SIGKILL)
    assert len(done.stdout) <= 100_000


def test_program_that_complains_without_end_is_killed_at_the_deadline() -> None:
    done = run_shell("exec yes >&2", timeout_s=LATER_S)

    assert (done.end, done.returncode) == ("timeout", -signal.SIGKILL)
    assert 0 < len(done.stderr) <= 64 * 1024


def test_complaints_beyond_the_bound_are_dropped_and_do_no_harm() -> None:
    done = run_shell("yes | head -c 1000000 >&2; echo printed")

    assert (done.end, done.stdout, len(done.stderr)) == ("exited", b"printed\n", 64 * 1024)


# limits that the system enforces


TAKE_MEMORY = "import mmap; mmap.mmap(-1, 2 * 1024**3)"
# The limits are set when the program has just been started: the last of them is that of its address space.
LIMITED = "while [ $(ulimit -v) = unlimited ]; do :; done; "


@needs_limits
def test_limits_are_those_of_the_bounds() -> None:
    done = run_shell(
        LIMITED + "ulimit -St; ulimit -Ht; ulimit -v; ulimit -c; ulimit -f", timeout_s=20.5, memory_bytes=GIB
    )

    # CPU time has a soft limit below the hard one: only that of the two is told by its signal
    assert done.stdout.split() == [b"21", b"22", b"1048576", b"0", b"0"]


@needs_limits
def test_program_cannot_take_more_memory_than_its_bound() -> None:
    code = f"print('started', flush=True); {TAKE_MEMORY}"

    done = run_python(code, memory_bytes=GIB)

    assert (done.returncode, done.stdout) == (1, b"started\n")
    assert b"Cannot allocate memory" in done.stderr
    assert run_python(code).returncode == 0


@needs_limits
def test_child_of_a_wrapper_cannot_take_more_memory_than_its_bound() -> None:
    done = run_shell(LIMITED + f'"$0" -c "{TAKE_MEMORY}"', sys.executable, memory_bytes=GIB)

    assert done.returncode == 1
    assert b"Cannot allocate memory" in done.stderr


@needs_limits
def test_program_cannot_write_to_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"

    done = run_shell(LIMITED + 'echo text > "$0"', str(file), memory_bytes=GIB)

    assert done.returncode != 0
    assert file.read_bytes() == b""


@needs_limits
def test_limit_that_is_refused_keeps_no_other_from_being_set(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = []

    def refuse(pid: int, kind: int, limit: tuple[int, int]) -> None:
        wanted.append(kind)
        raise PermissionError

    monkeypatch.setattr(resource, "prlimit", refuse)

    done = run("true", memory_bytes=GIB)

    assert done.returncode == 0
    names = ("RLIMIT_CPU", "RLIMIT_CORE", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_AS")
    assert set(wanted) == {getattr(resource, name) for name in names}


# what a program gets


def test_environment_is_bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FFREPORT", "file=/tmp/report.log")
    monkeypatch.setenv("LD_PRELOAD", "")

    done = run("env")

    assert {line.partition(b"=")[0] for line in done.stdout.splitlines()} == {
        b"PATH",
        b"LC_ALL",
        b"AV_LOG_FORCE_NOCOLOR",
    }


def test_standard_input_is_empty_whatever_ours_is() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"typed")
    ours = os.dup(0)
    try:
        os.dup2(reader, 0)
        done = run_shell("cat; echo end")
    finally:
        os.dup2(ours, 0)
        for descriptor in (ours, reader, writer):
            os.close(descriptor)

    assert done.stdout == b"end\n"


def test_program_leads_a_process_group_so_that_ctrl_c_does_not_reach_it() -> None:
    done = run_python("import os; print(os.getpgrp() == os.getpid(), os.getpgrp())")

    leads, group = done.stdout.split()
    assert leads == b"True"
    assert int(group) != os.getpgrp()


# cancelling


def test_cancel_ends_what_runs(line: Line, in_background: Callable[..., Future[Completed]]) -> None:
    processes = Processes(Bounds(timeout_s=NEVER_S))
    script = 'exec 9>"$0"; echo started >&9; sleep 1000'
    runs = [in_background(processes.run, ["sh", "-c", script, line.path]) for _ in range(3)]
    started = b""
    while started.count(b"started") < len(runs):
        started += line.read()

    processes.cancel()

    assert [each.result(10).end for each in runs] == ["cancelled"] * 3
    assert line.is_let_go()


def test_cancel_refuses_what_comes_later(tmp_path: Path) -> None:
    processes = Processes(Bounds(timeout_s=NEVER_S))
    processes.cancel()

    done = processes.run([str(tmp_path / "a program that is not there")])

    assert done == Completed("cancelled", None, b"", b"")


def test_cancel_during_the_start_ends_what_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = Processes(Bounds(timeout_s=NEVER_S))
    monkeypatch.setattr(children, "_limit", lambda pid, bounds: processes.cancel())

    done = processes.run(["sleep", "1000"])

    assert (done.end, done.returncode) == ("cancelled", -signal.SIGKILL)


def test_cancel_does_not_wait_for_one_that_left_the_group_with_the_output(
    line: Line, in_background: Callable[..., Future[Completed]]
) -> None:
    processes = Processes(Bounds(timeout_s=NEVER_S))
    code = (
        "import os, time; os.setsid(); os.write(int(os.open({!r}, os.O_WRONLY)), b'%d' % os.getpid()); time.sleep(1000)"
    )
    script = '"$0" -c "$1" & wait'
    future = in_background(processes.run, ["sh", "-c", script, sys.executable, code.format(line.path)])
    stray = int(line.read())

    try:
        processes.cancel()

        assert future.result(10).end == "cancelled"
    finally:
        os.kill(stray, signal.SIGKILL)


# children that cannot be killed


def test_child_that_cannot_be_killed_is_left_behind_and_counted(
    killed_in_vain: list[subprocess.Popen[bytes]],
) -> None:
    processes = Processes(Bounds(timeout_s=SOON_S))

    done = processes.run(["sleep", "1000"])

    assert (done.end, done.returncode) == ("timeout", None)
    assert processes.abandoned == 1
    assert len(killed_in_vain) == 1


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="this system cannot tell an end without reaping")
@pytest.mark.parametrize(
    "look", [lambda processes: processes.abandoned, lambda processes: processes.run(["true"])], ids=["count", "run"]
)
def test_child_that_was_left_behind_is_reaped_once_it_is_gone(
    killed_in_vain: list[subprocess.Popen[bytes]], look: Callable[[Processes], object]
) -> None:
    processes = Processes(Bounds(timeout_s=SOON_S))
    processes.run(["sleep", "1000"])
    [child] = killed_in_vain
    os.killpg(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    look(processes)

    assert child.returncode == -signal.SIGKILL
    assert processes.abandoned == 0


def test_cancel_does_not_wait_for_the_deadline_of_one_that_cannot_be_killed(
    line: Line, killed_in_vain: list[subprocess.Popen[bytes]], in_background: Callable[..., Future[Completed]]
) -> None:
    processes = Processes(Bounds(timeout_s=NEVER_S))
    future = in_background(processes.run, ["sh", "-c", 'echo started > "$0"; exec sleep 1000', line.path])
    line.read()

    processes.cancel()

    assert future.result(10).end == "cancelled"
    assert processes.abandoned == 1


# many at once


def test_hundreds_of_runs_leave_no_zombie_and_no_descriptor() -> None:
    processes = Processes(Bounds(timeout_s=NEVER_S, stdout_bytes=1000))
    scripts = ["echo $$", "echo $$; kill -TERM $$", "echo $$; exec yes"]
    before = len(os.listdir("/dev/fd"))

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda at: processes.run(["sh", "-c", scripts[at % 3]]), range(300)))

    assert [each.end for each in done] == ["exited", "exited", "too-much-output"] * 100
    assert len(os.listdir("/dev/fd")) == before
    for each in done:
        with pytest.raises(ChildProcessError):
            os.waitpid(int(each.stdout.split()[0]), os.WNOHANG)


def test_program_that_cannot_be_started_leaves_no_descriptor(tmp_path: Path) -> None:
    processes = Processes(Bounds(timeout_s=NEVER_S))
    before = len(os.listdir("/dev/fd"))

    for _ in range(20):
        with pytest.raises(FileNotFoundError):
            processes.run([str(tmp_path / "none")])

    assert len(os.listdir("/dev/fd")) == before


def test_output_of_programs_that_run_at_once_is_not_mixed_up() -> None:
    processes = Processes(Bounds(timeout_s=NEVER_S))
    together = threading.Barrier(8)

    def tell(number: int) -> bytes:
        together.wait(10)
        return processes.run(["sh", "-c", 'echo "$0"', str(number)]).stdout

    with ThreadPoolExecutor(8) as pool:
        printed = list(pool.map(tell, range(8)))

    assert printed == [b"%d\n" % number for number in range(8)]
