"""`qacache token`: what is shown, and what a server's file has of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from qacache.serve.tokens import read_tokens, scope_of
from tests.command import Command


def test_a_token_is_shown_once_and_the_file_knows_it(qacache: Command, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"

    read = qacache("token", "new", "the laptop", "--file", tokens)
    write = qacache("token", "new", "--scope", "write", "--file", tokens)

    assert (read.status, write.status) == (0, 0)
    accepted = read_tokens(str(tokens))
    assert scope_of(read.out.strip(), accepted) == "read"
    assert scope_of(write.out.strip(), accepted) == "write"
    assert [each.name for each in accepted] == ["the laptop", ""]
    assert read.out.strip() not in tokens.read_text()
    assert tokens.stat().st_mode & 0o777 == 0o600


def test_a_token_gets_a_line_of_its_own_where_the_last_one_has_no_end(qacache: Command, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"read sha256:{'0' * 64} laptop")
    tokens.chmod(0o600)

    made = qacache("token", "new", "--scope", "write", "--file", tokens)

    accepted = read_tokens(str(tokens))
    assert [each.name for each in accepted] == ["laptop", ""]
    assert scope_of(made.out.strip(), accepted) == "write"


def test_without_a_file_the_line_for_it_is_told_apart_from_the_token(qacache: Command, tmp_path: Path) -> None:
    made = qacache("token", "new", "cron")

    tokens = tmp_path / "tokens"
    tokens.write_text(made.err)
    tokens.chmod(0o600)
    assert scope_of(made.out.strip(), read_tokens(str(tokens))) == "read"


@pytest.mark.parametrize("content", ["read sha256:short\n", "admin sha256:" + "0" * 64 + "\n", "\xff\n"])
def test_a_file_that_is_none_of_tokens_is_left_alone(qacache: Command, tmp_path: Path, content: str) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(content, encoding="latin-1")
    tokens.chmod(0o600)

    refused = qacache("token", "new", "--file", tokens)

    assert refused.status == 2
    assert "hint: " in refused.err
    assert tokens.read_text(encoding="latin-1") == content


def test_a_file_that_others_may_read_is_refused(qacache: Command, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("")
    tokens.chmod(0o644)

    refused = qacache("token", "new", "--file", tokens)

    assert refused.status == 2
    assert "others may read the tokens" in refused.err
    assert "chmod 600" in refused.err


def test_a_name_of_several_lines_is_refused(qacache: Command) -> None:
    assert qacache("token", "new", "one\ntwo").status == 2
