"""Tokens: what the file may hold, who may read it, and what a token is good for."""

from __future__ import annotations

import hmac
from pathlib import Path

import pytest

from qacache.errors import ConfigError
from qacache.serve import tokens
from qacache.serve.tokens import PREFIX, Scope, Token, digest_of, new_token, read_tokens, scope_of
from tests.api_server import make_tokens
from tests.command import Command


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.touch(0o600)
    return path


def test_a_new_token_is_good_for_its_scope_and_is_in_no_file(file: Path) -> None:
    read, write = make_tokens(file, "read", "write")
    accepted = read_tokens(str(file))
    assert (scope_of(read, accepted), scope_of(write, accepted)) == ("read", "write")
    assert read.startswith(PREFIX)
    assert read not in file.read_text()


def test_no_two_tokens_are_the_same() -> None:
    assert len({new_token("read")[0] for _ in range(100)}) == 100


@pytest.mark.parametrize("token", ["", "qacache_", "x" * 10_000, "\udcff", "täken", digest_of("t")])
def test_what_is_no_token_is_good_for_nothing(token: str) -> None:
    assert scope_of(token, [Token(digest_of("t"), "write")]) is None


@pytest.mark.parametrize("scopes", [("read", "write"), ("write", "read")])
def test_a_token_that_is_in_the_file_twice_has_its_larger_scope(scopes: tuple[Scope, Scope]) -> None:
    assert scope_of("t", [Token(digest_of("t"), scope) for scope in scopes]) == "write"


def test_every_digest_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def recording(a: str, b: str) -> bool:
        compared.append((a, b))
        return hmac.compare_digest(a, b)

    monkeypatch.setattr(tokens, "hmac", type("Recording", (), {"compare_digest": staticmethod(recording)}))
    accepted = [Token(digest_of(name), "write") for name in ("first", "second", "third")]
    assert scope_of("first", accepted) == "write"
    assert compared == [(each.digest, digest_of("first")) for each in accepted]


def test_comments_and_blank_lines_are_passed_over(file: Path) -> None:
    file.write_text(f"# of ann\n\n  read   sha256:{digest_of('t')}   the old laptop \n")
    assert read_tokens(str(file)) == [Token(digest_of("t"), "read", "the old laptop")]


@pytest.mark.parametrize(
    "line",
    [
        "read",
        "read qacache_abc",
        f"sha256:{'0' * 64}",
        f"admin sha256:{'0' * 64}",
        f"read sha256:{'0' * 63}",
        f"read sha256:{'G' * 64}",
        f"read sha256:{'0' * 65}",
    ],
)
def test_a_line_that_is_no_token_is_named_by_its_number_and_not_repeated(file: Path, line: str) -> None:
    file.write_text(f"# one\n{line}\n")
    with pytest.raises(ConfigError, match=f"{file}, line 2 is no token") as refused:
        read_tokens(str(file))
    assert line not in f"{refused.value}{refused.value.hint}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o611])
def test_a_file_that_others_have_any_right_to_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(ConfigError, match="others may read the tokens") as refused:
        read_tokens(str(file))
    assert refused.value.hint == f"keep them out: chmod 600 {file}"


def test_a_systemd_credential_may_have_the_rights_that_systemd_gives_it(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_tokens(str(file)) == []
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "elsewhere"))
    with pytest.raises(ConfigError, match="others may read"):
        read_tokens(str(file))


def test_tokens_that_are_not_there_are_told_with_the_way_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file") as refused:
        read_tokens(str(tmp_path / "none"))
    assert refused.value.hint == "make one: qacache token new"


def test_tokens_that_are_no_text_are_refused(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="it is no text"):
        read_tokens(str(file))


def test_the_command_adds_tokens_to_a_file_that_it_makes_for_its_owner_alone(qacache: Command, tmp_path: Path) -> None:
    path = tmp_path / "made"
    first = qacache("token", "new", "laptop", "--file", path)
    second = qacache("token", "new", "--scope", "write", "--file", path)
    assert (first.status, first.err, second.status) == (0, "", 0)
    assert path.stat().st_mode & 0o777 == 0o600
    accepted = read_tokens(str(path))
    assert [each.name for each in accepted] == ["laptop", ""]
    assert [scope_of(done.out.strip(), accepted) for done in (first, second)] == ["read", "write"]


def test_the_command_without_a_file_prints_the_token_and_says_the_line_aside(qacache: Command) -> None:
    done = qacache("token", "new", "laptop")
    assert done.err == Token(digest_of(done.out.strip()), "read", "laptop").line()


def test_the_command_adds_nothing_to_a_file_that_others_may_read(qacache: Command, file: Path) -> None:
    file.chmod(0o644)
    done = qacache("token", "new", "--file", file)
    assert (done.status, done.out) == (2, "")
    assert "others may read the tokens" in done.err
    assert file.read_text() == ""
