"""The libav prober's side of the pipes: real children that crash, hang and are killed, and what that costs."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from qacache.config import Ffprobe
from qacache.errors import ProberMissing
from qacache.models import Failure, MediaInfo, Probe
from qacache.probe import CANCELLED, PASSING, Prober, children
from qacache.probe.engines import make_prober
from qacache.probe.libav import line
from qacache.probe.libav.prober import LibavProber
from tests.command import PROJECT, make_script
from tests.media import make_clip, make_song, make_text
from tests.processes import children_of, is_dead, needs_proc, soon, state_of

MIB = 1024**2
# Far beyond the time that any test takes: what waits for it hangs.
NEVER_S = 600.0
# Enough for a file on a busy machine.
LATER_S = 1.0
# What should never take so long may: it is the failure of the test.
TOO_LATE_S = 20.0

pytestmark = needs_proc

MakeProber = Callable[..., LibavProber]
Children = Callable[[], set[int]]


@pytest.fixture
def clip(clip: Path) -> bytes:
    return bytes(clip)


@pytest.fixture
def text(tmp_path: Path) -> bytes:
    return bytes(make_text(tmp_path / "text.mp4"))


@pytest.fixture
def prober_of() -> Iterator[MakeProber]:
    with ExitStack() as probers:

        def make(**options: object) -> LibavProber:
            prober = LibavProber(**{"timeout_s": NEVER_S, **options})
            probers.callback(prober.close)
            return prober

        yield make


@pytest.fixture
def prober(prober_of: MakeProber) -> LibavProber:
    return prober_of()


@pytest.fixture
def children_now() -> Children:
    """The processes that are there since the test began and were not reaped, dead or alive."""
    before = children_of(os.getpid())
    return lambda: children_of(os.getpid()) - before


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


@contextmanager
def read_from(pipe: Path) -> Iterator[None]:
    """Begins when somebody has opened the pipe; at the end the pipe does."""
    with pipe.open("wb"):
        yield


def media_of(prober: Prober, path: bytes) -> MediaInfo:
    answer = prober.probe(path)
    assert isinstance(answer, Probe), answer
    return answer.media


def failure_of(prober: Prober, path: bytes) -> Failure:
    answer = prober.probe(path)
    assert isinstance(answer, Failure), answer
    return answer


def only(found: set[int]) -> int:
    [one] = found
    return one


# one child, many files


def test_one_child_serves_all_files_of_a_thread(
    prober: LibavProber, clip: bytes, text: bytes, children_now: Children
) -> None:
    served = []
    for path in [clip, text, b"/nowhere.mp4", clip]:
        prober.probe(path)
        served.append(children_now())

    assert len(served[0]) == 1
    assert served == [served[0]] * 4


def test_child_is_replaced_after_its_share_of_files(prober_of: MakeProber, clip: bytes, children_now: Children) -> None:
    prober = prober_of(files_per_child=2)
    served = []
    for _ in range(5):
        assert media_of(prober, clip).width == 64
        served.append(children_now())

    assert [len(each) for each in served] == [1, 0, 1, 0, 1]
    assert len(set.union(*served)) == 3


def test_children_that_are_replaced_leave_no_descriptor(prober_of: MakeProber, text: bytes) -> None:
    prober = prober_of(files_per_child=1)
    before = len(os.listdir("/dev/fd"))

    for _ in range(3):
        prober.probe(text)

    assert len(os.listdir("/dev/fd")) == before


def test_close_ends_the_children_and_the_next_file_gets_a_new_one(
    prober: LibavProber, clip: bytes, children_now: Children
) -> None:
    media_of(prober, clip)
    first = only(children_now())
    prober.close()

    assert children_now() == set()
    assert media_of(prober, clip).width == 64
    assert only(children_now()) != first


def test_close_leaves_a_file_that_is_being_probed_alone(
    prober: LibavProber, pipe: Path, pool: ThreadPoolExecutor, children_now: Children
) -> None:
    running = pool.submit(prober.probe, bytes(pipe))
    with read_from(pipe):
        child = only(children_now())
        prober.close()

        assert not is_dead(child)
    answer = running.result(10)
    assert isinstance(answer, Failure)
    assert answer.reason == "invalid-data"


# children that end when they should not


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGKILL])
def test_crash_is_blamed_on_the_file_that_the_child_had_and_on_no_other(
    number: signal.Signals,
    prober: LibavProber,
    clip: bytes,
    pipe: Path,
    pool: ThreadPoolExecutor,
    children_now: Children,
) -> None:
    media_of(prober, clip)
    running = pool.submit(failure_of, prober, bytes(pipe))
    with read_from(pipe):
        first = only(children_now())
        os.kill(first, number)

        assert running.result(10) == Failure("probe", "crashed", f"libav crashed ({number.name})")
    assert children_now() == set()
    assert media_of(prober, clip).width == 64
    assert only(children_now()) != first


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_child_that_somebody_told_to_end_is_blamed_on_no_file(
    number: signal.Signals,
    prober: LibavProber,
    clip: bytes,
    pipe: Path,
    pool: ThreadPoolExecutor,
    children_now: Children,
) -> None:
    media_of(prober, clip)
    running = pool.submit(failure_of, prober, bytes(pipe))
    with read_from(pipe):
        os.kill(only(children_now()), number)

        answer = running.result(10)
    assert answer == Failure("probe", "no-process", f"libav was told to end ({number.name})")
    assert answer.reason in PASSING


def test_crash_of_one_child_costs_the_others_nothing(
    prober: LibavProber, make_pipe: Callable[[], Path], pool: ThreadPoolExecutor, children_now: Children
) -> None:
    ours, theirs = make_pipe(), make_pipe()
    crashing = pool.submit(failure_of, prober, bytes(ours))
    with read_from(ours):
        first = only(children_now())
        running = pool.submit(failure_of, prober, bytes(theirs))
        with read_from(theirs):
            os.kill(first, signal.SIGSEGV)

            assert crashing.result(10).reason == "crashed"
        assert running.result(10).reason == "invalid-data"


def test_child_that_is_killed_while_it_is_idle_costs_no_file(
    prober: LibavProber, clip: bytes, children_now: Children
) -> None:
    for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM):
        media_of(prober, clip)
        child = only(children_now())
        os.kill(child, number)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)

        assert media_of(prober, clip).width == 64
        assert only(children_now()) != child


def test_children_that_are_all_killed_while_they_are_idle_cost_no_file(
    prober: LibavProber,
    clip: bytes,
    make_pipe: Callable[[], Path],
    pool: ThreadPoolExecutor,
    children_now: Children,
) -> None:
    pipes = [make_pipe() for _ in range(4)]
    with ExitStack() as opened:
        running = [pool.submit(failure_of, prober, bytes(pipe)) for pipe in pipes]
        for pipe in pipes:
            opened.enter_context(read_from(pipe))
    assert [each.result(10).reason for each in running] == ["invalid-data"] * 4
    started = children_now()
    for child in started:
        os.kill(child, signal.SIGKILL)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)

    assert media_of(prober, clip).width == 64
    assert len(started) == 4
    assert only(children_now()) not in started


def test_child_that_is_stopped_fails_the_file_at_the_deadline_and_is_reaped(
    prober_of: MakeProber, clip: bytes, children_now: Children
) -> None:
    prober = prober_of(timeout_s=LATER_S)
    media_of(prober, clip)
    child = only(children_now())
    os.kill(child, signal.SIGSTOP)
    assert soon(lambda: state_of(child) == "T")

    assert failure_of(prober, clip) == Failure("probe", "timeout", "libav was killed after 1 s")
    assert children_now() == set()
    assert prober.abandoned == 0
    assert media_of(prober, clip).width == 64


def test_file_that_never_ends_costs_its_child_and_nothing_else(
    prober_of: MakeProber, clip: bytes, pipe: Path, children_now: Children
) -> None:
    prober = prober_of(timeout_s=LATER_S)

    assert failure_of(prober, bytes(pipe)).reason == "timeout"
    assert children_now() == set()
    assert media_of(prober, clip).width == 64


def test_interrupt_in_the_middle_of_a_file_leaves_no_child(
    prober: LibavProber, clip: bytes, pipe: Path, pool: ThreadPoolExecutor, children_now: Children
) -> None:
    def interrupt() -> None:
        with read_from(pipe):
            signal.raise_signal(signal.SIGUSR1)
            finished.wait(10)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    finished = threading.Event()
    before = signal.signal(signal.SIGUSR1, stop)
    try:
        interrupting = pool.submit(interrupt)
        with pytest.raises(KeyboardInterrupt):
            prober.probe(bytes(pipe))
    finally:
        signal.signal(signal.SIGUSR1, before)
        finished.set()
    interrupting.result(10)

    assert children_now() == set()
    assert media_of(prober, clip).width == 64


def test_child_that_cannot_be_killed_is_left_behind_and_counted(
    killed_in_vain: list[subprocess.Popen[bytes]], prober_of: MakeProber, clip: bytes, children_now: Children
) -> None:
    prober = prober_of(timeout_s=LATER_S)
    media_of(prober, clip)
    child = only(children_now())
    # or it would see that its pipes are closed, and end by itself
    os.kill(child, signal.SIGSTOP)

    assert failure_of(prober, clip).reason == "timeout"
    assert prober.abandoned == 1
    assert media_of(prober, clip).width == 64
    assert [each.pid for each in killed_in_vain] == [child]

    os.kill(child, signal.SIGKILL)
    assert soon(lambda: prober.abandoned == 0)


# cancelling


def test_cancel_ends_the_file_and_every_child_and_refuses_more(
    prober: LibavProber, clip: bytes, pipe: Path, pool: ThreadPoolExecutor, children_now: Children
) -> None:
    media_of(prober, clip)
    idle = pool.submit(prober.probe, bytes(pipe))
    with read_from(pipe):
        started = children_now()
        prober.cancel()

        answer = idle.result(10)
    assert isinstance(answer, Failure)
    assert answer.reason == CANCELLED
    assert soon(lambda: all(is_dead(child) for child in started))
    assert failure_of(prober, clip).reason == CANCELLED
    prober.close()
    assert children_now() == set()


def test_cancel_ends_children_that_are_idle(prober: LibavProber, clip: bytes, children_now: Children) -> None:
    media_of(prober, clip)
    child = only(children_now())

    prober.cancel()

    assert soon(lambda: is_dead(child))


def test_cancel_during_the_start_of_a_child_does_not_wait_for_it(
    prober_of: MakeProber, clip: bytes, pipe: Path, pool: ThreadPoolExecutor, children_now: Children, tmp_path: Path
) -> None:
    prober = prober_of(python=str(make_script(tmp_path / "python", f"read nothing < '{pipe}'")))
    running = pool.submit(failure_of, prober, clip)
    with read_from(pipe):
        prober.cancel()

        assert running.result(10).reason == CANCELLED
    assert children_now() == set()


def test_files_are_probed_again_after_resume(prober: LibavProber, clip: bytes, children_now: Children) -> None:
    media_of(prober, clip)
    child = only(children_now())
    prober.cancel()
    prober.resume()

    assert media_of(prober, clip).width == 64
    assert only(children_now()) != child


# the version


def test_version_is_known_before_any_file_and_leaves_no_child(prober: LibavProber, children_now: Children) -> None:
    name, number = prober.version.split()

    assert name == "libav"
    assert int(number.partition(".")[0]) >= 8
    assert children_now() == set()


def test_version_is_the_same_before_and_after_a_file(prober: LibavProber, clip: bytes) -> None:
    answer = prober.probe(clip)

    assert isinstance(answer, Probe)
    assert answer.prober == prober.version == LibavProber().version


def test_version_is_known_after_cancel_and_does_not_undo_it(
    prober: LibavProber, clip: bytes, children_now: Children
) -> None:
    prober.cancel()

    assert prober.version.startswith("libav ")
    assert failure_of(prober, clip).reason == CANCELLED
    assert children_now() == set()


# a child that cannot be started


def missing_python(folder: Path) -> Path:
    return folder / "none"


def python_without_permission(folder: Path) -> Path:
    program = make_script(folder / "python", "exit 0")
    program.chmod(0o644)
    return program


def python_of_no_format(folder: Path) -> Path:
    program = folder / "python"
    program.write_bytes(b"no program at all")
    program.chmod(0o755)
    return program


def python_that(script: str) -> Callable[[Path], Path]:
    return lambda folder: make_script(folder / "python", script)


@pytest.mark.parametrize("ask", [lambda prober: prober.version, lambda prober: prober.probe(b"/x")], ids=["v", "file"])
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (python_that("echo one >&2; echo libav.so: no such file >&2; exit 1"), r"status 1 \(libav.so: no such file\)"),
        (python_that("exit 0"), "exit status 0"),
        (python_that("kill -KILL $$"), "SIGKILL"),
        (python_that("echo out of luck >&2; kill -ABRT $$"), r"SIGABRT\) \(out of luck\)"),
        (python_that("printf ab; exit 3"), "exit status 3"),
        (missing_python, "none: No such file or directory"),
        (python_without_permission, "python: Permission denied"),
        (lambda folder: folder, "Permission denied"),
    ],
    ids=["exits", "exits with 0", "is killed", "aborts", "says half", "is missing", "may not be run", "is a folder"],
)
def test_prober_is_missing_where_its_python(
    make: Callable[[Path], Path],
    why: str,
    ask: Callable[[Prober], object],
    prober_of: MakeProber,
    tmp_path: Path,
    children_now: Children,
) -> None:
    prober = prober_of(python=str(make(tmp_path)))
    before = len(os.listdir("/dev/fd"))

    with pytest.raises(ProberMissing, match=f"PyAV cannot be used: .*{why}") as missing:
        ask(prober)

    assert missing.value.exit_code == 13
    assert "ffprobe.engine" in str(missing.value.hint)
    assert children_now() == set()
    assert len(os.listdir("/dev/fd")) == before


def test_version_is_missing_where_the_system_cannot_run_its_python(prober_of: MakeProber, tmp_path: Path) -> None:
    prober = prober_of(python=str(python_of_no_format(tmp_path)))

    with pytest.raises(ProberMissing, match="Exec format error"):
        _ = prober.version


def test_prober_is_missing_where_something_else_answers(prober_of: MakeProber, tmp_path: Path) -> None:
    prober = prober_of(python=str(make_script(tmp_path / "python", "echo Hello, world; exec sleep 1000")))

    with pytest.raises(ProberMissing) as missing:
        _ = prober.version

    # it did answer, and at once
    assert "no answer in 30 s" not in str(missing.value)


def test_process_that_cannot_be_started_for_now_fails_the_file_alone(
    prober: LibavProber, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(children.subprocess, "Popen", refuse)
        failure = failure_of(prober, clip)

    assert failure == Failure("probe", "no-process", "libav could not be started: Resource temporarily unavailable")
    assert media_of(prober, clip).width == 64


# a child that is something else

SPEAK = """\
import os, signal
def send(message): os.write(1, len(message).to_bytes(4, "big") + message)
def greet(): send(b'{"version": "1"}')
def listen(): return os.read(0, 5000)[4:]
answer = b'{"error": {"code": -2, "string": "x"}, "log": []}'
"""


@pytest.fixture
def speaking(prober_of: MakeProber, tmp_path: Path) -> Callable[[str], LibavProber]:
    """Makes probers whose children do what the program says."""

    def make(program: str) -> LibavProber:
        (tmp_path / "child.py").write_text(SPEAK + program)
        script = f'exec "{sys.executable}" -I "{tmp_path}/child.py"'
        return prober_of(python=str(make_script(tmp_path / "python", script)), timeout_s=TOO_LATE_S)

    return make


def test_answer_may_come_in_pieces(speaking: Callable[[str], LibavProber]) -> None:
    whole = "whole = len(answer).to_bytes(4, 'big') + answer"
    prober = speaking(f"greet(); listen(); {whole}\nfor at in whole: os.write(1, bytes([at]))\nsignal.pause()")

    assert failure_of(prober, b"/x").reason == "not-found"


def test_path_reaches_the_child_byte_by_byte(speaking: Callable[[str], LibavProber]) -> None:
    path = b"/" + bytes(range(1, 256)) * 16
    prober = speaking("greet()\nif listen() == b'/' + bytes(range(1, 256)) * 16: send(answer)")

    assert failure_of(prober, path).reason == "not-found"


# a child that closes its input before it greets has certainly done so before it is asked
DEAF = "os.close(0); greet(); signal.pause()"


def test_child_that_takes_no_file_is_replaced_by_one_that_does(
    speaking: Callable[[str], LibavProber], tmp_path: Path
) -> None:
    first = tmp_path / "first"
    first.touch()
    prober = speaking(f"if os.path.exists('{first}'): os.unlink('{first}'); {DEAF}\ngreet(); listen(); send(answer)")

    assert failure_of(prober, b"/x").reason == "not-found"


def test_children_that_never_take_a_file_are_given_up(
    speaking: Callable[[str], LibavProber], children_now: Children
) -> None:
    failure = failure_of(speaking(DEAF), b"/x")

    assert failure == Failure("probe", "no-process", "libav died 3 times before it got the file")
    assert children_now() == set()


def test_answer_without_an_end_is_not_waited_for(
    speaking: Callable[[str], LibavProber], children_now: Children
) -> None:
    prober = speaking("greet(); listen()\nwhile True: os.write(1, bytes([255] * 65536))")

    assert failure_of(prober, b"/x").reason == "too-much-output"
    assert children_now() == set()


def test_child_that_ends_in_the_middle_of_an_answer_has_crashed(
    speaking: Callable[[str], LibavProber], children_now: Children
) -> None:
    prober = speaking("greet(); listen(); os.write(1, bytes([0, 0, 0, 9]) + b'half')")

    assert failure_of(prober, b"/x") == Failure("probe", "crashed", "libav ended with exit status 0")
    assert children_now() == set()


def test_child_that_hangs_up_and_lives_on_is_killed(
    speaking: Callable[[str], LibavProber], children_now: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "_DYING_S", 0.1)
    prober = speaking("greet(); listen(); os.close(1); signal.pause()")

    assert failure_of(prober, b"/x") == Failure("probe", "crashed", "libav crashed (SIGKILL)")
    assert children_now() == set()


# what a child prints


@pytest.fixture
def printing(prober_of: MakeProber, tmp_path: Path) -> Callable[[str], LibavProber]:
    """Makes probers whose libraries do what the program says, with `file`, whenever one is opened."""

    def make(program: str) -> LibavProber:
        before = (
            f"import av, ctypes, os, signal\nopens = av.open\nlibc = ctypes.CDLL(None)\n"
            f"def shouts(file, **options):\n    {program}\n    return opens(file, **options)\nav.open = shouts\n"
        )
        (tmp_path / "before.py").write_text(before)
        # in front of the program that the prober gives, which is the sixth argument
        program = f"exec(open('{tmp_path}/before.py').read()); "
        script = f'program="$6"; shift 6\nexec "{sys.executable}" -I -B -X utf8 -c "{program}$program" "$@"'
        return prober_of(python=str(make_script(tmp_path / "python", script)), timeout_s=TOO_LATE_S)

    return make


@pytest.mark.parametrize("stream", [1, 2], ids=["stdout", "stderr"])
def test_what_libraries_print_reaches_neither_the_answers_nor_the_terminal(
    stream: int,
    printing: Callable[[str], LibavProber],
    clip: bytes,
    children_now: Children,
    capfd: pytest.CaptureFixture[str],
) -> None:
    # more than a pipe holds, and nobody reads it: as C does, which cares for no error
    prober = printing(f"libc.write({stream}, b'\\0\\0\\0\\x01noise' * 50_000, 450_000)")

    assert media_of(prober, clip).width == 64
    child = only(children_now())
    assert [media_of(prober, clip).width for _ in range(3)] == [64] * 3
    assert only(children_now()) == child
    prober.close()
    assert capfd.readouterr() == ("", "")


def test_last_words_of_a_child_are_told(printing: Callable[[str], LibavProber], clip: bytes) -> None:
    prober = printing(r"libc.write(2, b'one\nbad magic\n', 14); os.abort()")

    assert failure_of(prober, clip) == Failure("probe", "crashed", "libav crashed (SIGABRT) (bad magic)")


def test_words_about_one_file_are_not_told_of_the_next(printing: Callable[[str], LibavProber], clip: bytes) -> None:
    prober = printing(r"os.path.exists(file[5:]) or os.abort(); libc.write(2, b'bad magic\n', 10)")
    media_of(prober, clip)

    assert failure_of(prober, b"/nowhere.mp4") == Failure("probe", "crashed", "libav crashed (SIGABRT)")


def test_child_whose_python_code_fails_has_crashed_with_its_error(
    printing: Callable[[str], LibavProber], clip: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    prober = printing("raise LookupError('no such thing')")

    failure = failure_of(prober, clip)

    assert failure == Failure("probe", "crashed", "libav ended with exit status 1 (LookupError: no such thing)")
    assert capfd.readouterr() == ("", "")


# answers, names


def test_answer_may_be_larger_than_a_pipe_holds(prober: LibavProber, tmp_path: Path) -> None:
    title = "Grüße " * 100_000

    assert media_of(prober, bytes(make_song(tmp_path / "song.mka", tags={"title": title}))).tags["title"] == title


def test_answer_beyond_all_bounds_is_refused_and_costs_its_child(
    prober: LibavProber, clip: bytes, tmp_path: Path, children_now: Children
) -> None:
    # each of them takes six characters in JSON
    song = make_song(tmp_path / "song.mka", tags={"title": "\x01" * 3_000_000})

    assert failure_of(prober, bytes(song)).reason == "too-much-output"
    assert children_now() == set()
    assert media_of(prober, clip).width == 64


def test_name_may_be_of_any_bytes(prober: LibavProber, clip: bytes, tmp_path: Path, children_now: Children) -> None:
    names = [bytes([number, 46, number]) for number in range(1, 256) if number != ord("/")]
    names += [bytes(range(1, 47)) + bytes(range(48, 128)), bytes(range(128, 256)), b"\xff" * 255]
    try:
        for name in names:
            os.link(clip, os.path.join(bytes(tmp_path), name))
    except OSError as error:
        pytest.skip(f"this file system does not take all names: {error.strerror}")

    assert {media_of(prober, os.path.join(bytes(tmp_path), name)).width for name in names} == {64}
    only(children_now())


# many threads


def test_there_are_as_many_children_as_threads_that_probe_at_once(
    prober: LibavProber,
    clip: bytes,
    make_pipe: Callable[[], Path],
    pool: ThreadPoolExecutor,
    children_now: Children,
) -> None:
    with ExitStack() as pipes:
        running: list[Future[Failure]] = []
        for expected in (1, 2, 3):
            pipe = make_pipe()
            running.append(pool.submit(failure_of, prober, bytes(pipe)))
            pipes.enter_context(read_from(pipe))
            assert len(children_now()) == expected
        started = children_now()
    assert [each.result(10).reason for each in running] == ["invalid-data"] * 3

    assert [media_of(prober, clip).width for _ in range(5)] == [64] * 5
    assert children_now() == started


def test_many_threads_get_their_own_answers_from_no_more_children_than_threads(
    prober_of: MakeProber, clip: bytes, text: bytes, tmp_path: Path, children_now: Children
) -> None:
    prober = prober_of(files_per_child=25)
    threads = 4
    wide = bytes(make_clip(tmp_path / "wide.mkv", width=96))
    together = threading.Barrier(threads)

    def work(number: int) -> tuple[list[object], int]:
        together.wait(10)
        told, most = [], 0
        for _ in range(30):
            for path in [clip, text, wide][number % 3 :]:
                answer = prober.probe(path)
                told.append(answer.reason if isinstance(answer, Failure) else answer.media.width)
            most = max(most, len(children_now()))
        return told, most

    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(work, range(threads)))

    each = [64, "invalid-data", 96]
    assert [told for told, _ in answers] == [each[number % 3 :] * 30 for number in range(threads)]
    assert max(most for _, most in answers) <= threads
    prober.close()
    assert children_now() == set()


# limits, and what a child gets


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="this system cannot limit another process")
def test_child_lives_within_its_limits(prober_of: MakeProber, clip: bytes, children_now: Children) -> None:
    # the least that can be configured
    prober = prober_of(memory_bytes=384 * MIB)

    assert media_of(prober, clip).width == 64
    child = only(children_now())
    assert resource.prlimit(child, resource.RLIMIT_AS) == (384 * MIB, 384 * MIB)
    assert resource.prlimit(child, resource.RLIMIT_CORE) == (0, 0)
    assert resource.prlimit(child, resource.RLIMIT_FSIZE) == (0, 0)
    assert resource.prlimit(child, resource.RLIMIT_NOFILE) == (64, 64)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="this system cannot limit another process")
def test_memory_of_a_child_is_the_configured_one(clip: bytes, children_now: Children) -> None:
    prober = make_prober(Ffprobe(engine="libav", memory_limit_bytes=640 * MIB))
    media_of(prober, clip)

    assert resource.prlimit(only(children_now()), resource.RLIMIT_AS) == (640 * MIB, 640 * MIB)
    prober.close()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="this system cannot limit another process")
def test_file_for_which_a_child_takes_too_much_memory_costs_that_child(
    printing: Callable[[str], LibavProber], clip: bytes, children_now: Children
) -> None:
    failure = failure_of(printing("bytearray(2 * 1024**3)"), clip)

    assert failure == Failure("probe", "crashed", "libav ended with exit status 1 (MemoryError)")
    assert children_now() == set()


def test_child_leads_a_process_group_so_that_ctrl_c_does_not_reach_it(
    prober: LibavProber, clip: bytes, children_now: Children
) -> None:
    media_of(prober, clip)
    child = only(children_now())

    assert os.getpgid(child) == child


def test_child_gets_a_bare_environment_and_no_descriptor_but_its_own(
    prober: LibavProber, clip: bytes, children_now: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FFREPORT", "file=/tmp/report.log")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    media_of(prober, clip)
    folder = Path(f"/proc/{only(children_now())}")

    variables = {entry.partition(b"=")[0] for entry in (folder / "environ").read_bytes().split(b"\0") if entry}
    tuned = {variable for variable in variables if variable.startswith(b"MALLOC_")}
    assert variables - tuned - {b"LD_LIBRARY_PATH"} == {b"PATH", b"LC_ALL", b"AV_LOG_FORCE_NOCOLOR"}
    ends = {os.readlink(folder / "fd" / name) for name in os.listdir(folder / "fd")} - {os.devnull}
    assert all(end.startswith("pipe:") for end in ends)
    assert len(ends) == 3


def test_child_takes_no_module_from_the_current_folder(
    prober: LibavProber, clip: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("av", "json", "qacache", "logging"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('from the current folder')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    assert media_of(prober, clip).width == 64


# the parent's end

PARENT = """
import os, sys
from qacache.probe.libav.prober import LibavProber

prober = LibavProber(timeout_s=600)
prober.probe(os.fsencode(sys.argv[1]))
print("idle", flush=True)
prober.probe(os.fsencode(sys.stdin.readline().rstrip()))
"""


@pytest.fixture
def parent(clip: bytes) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose prober has one child, which is idle until the path of another file is written to the process."""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    argv = [sys.executable, "-c", PARENT, clip]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"idle\n"
        grandchildren = children_of(parent.pid)
        try:
            yield parent
        finally:
            parent.kill()
            for pid in grandchildren:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def test_child_ends_when_its_parent_is_killed_while_it_is_idle(parent: subprocess.Popen[bytes]) -> None:
    child = only(children_of(parent.pid))

    parent.kill()

    assert soon(lambda: is_dead(child))


def test_child_ends_when_its_parent_is_killed_while_it_hangs_in_a_file(
    parent: subprocess.Popen[bytes], pipe: Path
) -> None:
    child = only(children_of(parent.pid))
    assert parent.stdin is not None
    parent.stdin.write(bytes(pipe) + b"\n")
    parent.stdin.flush()
    with read_from(pipe):
        parent.kill()

        assert soon(lambda: is_dead(child))


def test_child_ends_when_its_parent_does_without_closing_anything(parent: subprocess.Popen[bytes], text: bytes) -> None:
    child = only(children_of(parent.pid))

    parent.communicate(text + b"\n", timeout=10)

    assert parent.returncode == 0
    assert soon(lambda: is_dead(child))
