"""What is remembered of files that were compared."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from qacache.errors import StoreLocked
from qacache.events import Vanished
from qacache.store import proofs as proofs_module
from qacache.store.lock import held, lock_path
from qacache.store.maintenance import Maintenance
from qacache.store.proofs import Proof, Proofs, Stamp
from qacache.store.writer import Writer
from tests.rows import probed

STAMP = Stamp(size=10, mtime_ns=1, ctime_ns=2, inode=3)


@pytest.fixture
def proofs(store_path: str, writer: Writer) -> Iterator[Proofs]:
    """Of a store with the files 1 to 3."""
    writer.write([probed(b"/v/%d.mp4" % number, f"{number}") for number in (1, 2, 3)])
    with Proofs(store_path, busy_timeout_s=0.05) as proofs:
        yield proofs


def test_what_was_remembered_is_recalled(proofs: Proofs) -> None:
    first, second = Proof(1, STAMP, {4: b"a", 10: b"b"}), Proof(2, STAMP._replace(inode=4), {10: b"b"})
    proofs.remember([first, second])
    assert proofs.recall([1, 2, 3]) == {1: first, 2: second}
    assert proofs.recall([3]) == proofs.recall([]) == {}


def test_it_is_there_for_the_next_process(store_path: str, proofs: Proofs) -> None:
    proofs.remember([Proof(1, STAMP, {10: b"a"})])
    with Proofs(store_path, busy_timeout_s=0.05) as others:
        assert others.recall([1]) == {1: Proof(1, STAMP, {10: b"a"})}


def test_what_is_learned_of_the_same_file_is_added(proofs: Proofs) -> None:
    proofs.remember([Proof(1, STAMP, {4: b"a"})])
    proofs.remember([Proof(1, STAMP, {4: b"a", 8: b"b"})])
    assert proofs.recall([1]) == {1: Proof(1, STAMP, {4: b"a", 8: b"b"})}


@pytest.mark.parametrize("name", Stamp._fields)
def test_what_is_learned_of_a_changed_file_takes_the_place_of_the_rest(proofs: Proofs, name: str) -> None:
    changed = STAMP._replace(**{name: 99})
    proofs.remember([Proof(1, STAMP, {4: b"a", 8: b"b"}), Proof(2, STAMP, {4: b"a"})])
    proofs.remember([Proof(1, changed, {6: b"c"})])
    assert proofs.recall([1, 2]) == {1: Proof(1, changed, {6: b"c"}), 2: Proof(2, STAMP, {4: b"a"})}


def test_many_files_can_be_asked_for(proofs: Proofs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs_module, "_MOST_IDS", 2)
    proofs.remember([Proof(number, STAMP, {10: b"a"}) for number in (1, 2, 3)])
    assert proofs.recall(iter(range(100))).keys() == {1, 2, 3}


def test_what_the_store_forgot_meanwhile_is_not_remembered(proofs: Proofs) -> None:
    proofs.remember([Proof(77, STAMP, {10: b"a"}), Proof(1, STAMP, {10: b"a"})])
    assert proofs.recall([1, 77]).keys() == {1}


def test_a_proof_is_forgotten_with_its_file(store_path: str, proofs: Proofs, writer: Writer) -> None:
    proofs.remember([Proof(number, STAMP, {5: b"a", 10: b"b"}) for number in (1, 2)])
    writer.write([Vanished(b"/v/1.mp4")])
    Maintenance(store_path, prune_after=0, history_s=0.0, busy_timeout_s=0.2).prune()
    with closing(sqlite3.connect(store_path)) as connection:
        assert connection.execute("SELECT DISTINCT file_id FROM proof").fetchall() == [(2,)]


def test_nothing_is_written_while_another_process_writes(store_path: str, proofs: Proofs) -> None:
    with (
        held(lock_path(store_path), purpose="qacache scan", timeout_s=0.0),
        pytest.raises(StoreLocked, match="qacache scan"),
    ):
        proofs.remember([Proof(1, STAMP, {10: b"a"})])
    assert proofs.recall([1]) == {}
    proofs.remember([Proof(1, STAMP, {10: b"a"})])
    assert proofs.recall([1]).keys() == {1}


def test_a_batch_is_stored_as_a_whole_or_not_at_all(store_path: str, proofs: Proofs) -> None:
    with pytest.raises(Exception, match="NOT NULL"):
        proofs.remember([Proof(1, STAMP, {10: b"a"}), Proof(2, STAMP, {10: None})])  # type: ignore[dict-item]
    assert proofs.recall([1, 2]) == {}


def test_a_stamp_is_made_of_numbers_that_sqlite_can_hold(proofs: Proofs, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    real = os.stat(tmp_path / "file")
    stamp = Stamp.of(real)
    assert stamp == (10, real.st_mtime_ns, real.st_ctime_ns, real.st_ino)
    far = Stamp(1 << 62, (1 << 63) - 1, -(1 << 63), -1)
    proofs.remember([Proof(1, far, {10: b"a"})])
    assert proofs.recall([1])[1].stamp == far
