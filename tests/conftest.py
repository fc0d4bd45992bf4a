"""What tests of several modules start from."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from qacache.probe import children
from qacache.store import migrations
from qacache.store.reader import Reader
from qacache.store.retries import RetrySchedule
from qacache.store.session import Store
from qacache.store.writer import Writer
from tests.command import Command, make_parrot
from tests.fakes import FakeClock
from tests.media import make_clip, make_text


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """An empty folder for videos."""
    folder = tmp_path / "library"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a new store, to be copied: to make one takes longer than many a test."""
    path = tmp_path_factory.mktemp("new-store") / "qacache.db"
    migrations.create(str(path), busy_timeout_s=0.2)
    return path


@pytest.fixture
def store(tmp_path: Path, new_store: Path) -> Iterator[Store]:
    """A new store, in which a file that failed is due again after a minute."""
    folder = tmp_path / "store"
    folder.mkdir()
    path = shutil.copy(new_store, folder)
    with Store(path, retries=RetrySchedule(60, 3600, jitter=lambda: 0.5), busy_timeout_s=0.2) as store:
        yield store


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands at one moment until it is moved."""
    return FakeClock(1_800_000_000.0)


@pytest.fixture
def store_path(tmp_path: Path) -> str:
    """The path of a new store."""
    path = str(tmp_path / "store" / "qacache.db")
    migrations.create(path, busy_timeout_s=0.2)
    return path


@pytest.fixture
def writer(store_path: str, clock: FakeClock) -> Iterator[Writer]:
    """A writer to the new store, by the clock; a file that failed is due again after a minute."""
    retries = RetrySchedule(60, 3600, jitter=lambda: 0.5)
    with Writer(store_path, busy_timeout_s=0.2, retries=retries, clock=clock.time) as writer:
        yield writer


@pytest.fixture
def reader(store_path: str) -> Iterator[Reader]:
    """A reader of the new store."""
    with Reader(store_path) as reader:
        yield reader


@pytest.fixture
def qacache(tmp_path: Path, parrot: Path) -> Command:
    """The command, in a home of its own, where nothing is stored or configured; its ffprobe is a parrot."""
    return Command(tmp_path / "home", PATH=f"{parrot}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture(scope="session")
def parrot(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a quick ffprobe, see `make_parrot`: a real one takes most of the time of a small scan."""
    return make_parrot(tmp_path_factory.mktemp("parrot") / "bin", clips)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small clip like any other."""
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture
def make_pipe(tmp_path: Path) -> Callable[[], Path]:
    """Makes pipes that nobody writes to: who opens one hangs."""
    numbers = count()

    def make() -> Path:
        path = tmp_path / f"pipe-{next(numbers)}.ts"
        os.mkfifo(path)
        return path

    return make


@pytest.fixture
def pipe(make_pipe: Callable[[], Path]) -> Path:
    return make_pipe()


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pids of all children that this process is going to fork."""
    pids: list[int] = []
    fork = os.fork

    def recording() -> int:
        pids.append(fork())
        return pids[-1]

    monkeypatch.setattr(os, "fork", recording)
    return pids


@pytest.fixture
def killed_in_vain(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Children that SIGKILL does not end, as if they waited for a dead mount; they end with the test."""
    spared: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(children, "_kill", spared.append)
    monkeypatch.setattr(children, "_REAP_S", 0.01)
    yield spared
    for child in spared:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three clips, to be copied from: `portrait.mp4`, `wide.mkv`, `broken.mp4`."""
    folder = tmp_path_factory.mktemp("clips")
    make_clip(folder / "portrait.mp4", rotation=-90)
    make_clip(folder / "wide.mkv", width=96, shade=40)
    make_text(folder / "broken.mp4")
    return folder


@pytest.fixture
def videos(clips: Path, tmp_path: Path) -> Path:
    """A library of the three clips, to be changed at will."""
    return Path(shutil.copytree(clips, tmp_path / "videos"))


@pytest.fixture(scope="session")
def scanned(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The command with the three clips in its store: for tests that only read."""
    command = Command(tmp_path_factory.mktemp("scanned") / "home")
    assert command("scan", clips).status == 3
    return command
