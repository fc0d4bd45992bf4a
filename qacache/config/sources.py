"""Where values come from: a TOML file, variables and flags come in, `Given` values go out, unchecked.

Whatever is wrong is appended to `problems`, a line each, so that users see everything at once.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from qacache.config import places
from qacache.config.keys import PREFIX, Key
from qacache.config.kinds import shown
from qacache.config.near import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FILE_VARIABLE = PREFIX + "CONFIG"


class Given(NamedTuple):
    """A value that somebody gave a key, as TOML would hold it.

    `origin` is as `Settings` tells it, `subject` begins an error, relative paths start at `folder`.
    """

    key: Key
    value: object
    origin: str
    subject: str
    folder: str


def find_file(flag: str | os.PathLike[str] | None, variable: str) -> tuple[str | None, str]:
    """Return the one TOML file to read, or None, and who named it: empty where it was found in its place.

    A file that was named is returned whether it exists or not.
    """
    if flag is not None:
        return os.path.abspath(os.path.expanduser(flag)), "flag --config"
    if variable:
        return os.path.abspath(os.path.expanduser(variable)), f"variable {FILE_VARIABLE}"
    for place in (places.user_config_file(), places.SYSTEM_CONFIG_FILE):
        if os.path.exists(place):
            return place, ""
    return None, ""


def from_file(path: str, named_by: str, known: Mapping[str, Key], problems: list[str]) -> Iterator[Given]:
    """Yield the values of the TOML file at `path`."""
    named = {name.partition(".")[0] for name in known}
    for section, table in _read_toml(path, named_by, problems).items():
        if section in known:
            # the whole table is one key's
            yield _given_by_file(path, known[section], table)
        elif section in named and isinstance(table, dict):
            yield from _from_table(path, section, table, known, problems)
        elif section in named:
            problems.append(f"{section} in {path}: {shown(table)} is no table: write [{section}]")
        elif isinstance(table, dict):
            guess = nearest(section, named) or f"known are {', '.join(sorted(named))}"
            problems.append(f"unknown section {section} in {path}: {guess}")
        else:
            problems.append(_unknown_key(section, path, known))


def from_variables(variables: Mapping[str, str], known: Iterable[Key], problems: list[str]) -> Iterator[Given]:
    """Yield the values of `variables`, which are those that begin with `QACACHE_`."""
    keys = {key.variable: key for key in known}
    for variable, text in sorted(variables.items()):
        if key := keys.get(variable):
            origin = f"variable {variable}"
            yield Given(key, key.kind.from_text(text), origin, origin, "")
        else:
            bare_names = {name.removeprefix(PREFIX) for name in (*keys, FILE_VARIABLE)}
            guess = nearest(variable.removeprefix(PREFIX), bare_names, PREFIX) or "unset it, no key is named so"
            problems.append(f"unknown variable {variable}: {guess}")


def from_flags(flags: Mapping[str, object], known: Mapping[str, Key]) -> Iterator[Given]:
    """Yield the values of `flags`, which are keyed by names of keys: an unknown one is a `KeyError`.

    An empty list is a flag that may be repeated, and was not given at all.
    """
    for name, value in flags.items():
        key = known[name]
        origin = f"flag {key.option}"
        if value not in ([], ()):
            yield Given(key, _flag_value(key, value), origin, origin, "")


def _read_toml(path: str, named_by: str, problems: list[str]) -> dict[str, object]:
    import tomllib  # most runs have no file

    try:
        with open(path, "rb") as file:
            return tomllib.loads(file.read().decode())
    except FileNotFoundError:
        by = f" (named by {named_by})" if named_by else ""
        problems.append(f"configuration file {path}{by} does not exist: create it, or name another one")
    except OSError as error:
        problems.append(f"configuration file {path} cannot be read: {error.strerror or error}")
    except UnicodeDecodeError as error:
        problems.append(f"configuration file {path} is not UTF-8: byte {error.start} cannot be decoded")
    except (ValueError, RecursionError) as error:
        problems.append(f"configuration file {path} is no valid TOML: {error}")
    return {}


def _from_table(
    path: str, section: str, table: Mapping[str, object], known: Mapping[str, Key], problems: list[str]
) -> Iterator[Given]:
    for bare_name, value in table.items():
        name = f"{section}.{bare_name}"
        if key := known.get(name):
            yield _given_by_file(path, key, value)
        else:
            problems.append(_unknown_key(name, path, known))


def _given_by_file(path: str, key: Key, value: object) -> Given:
    return Given(key, value, f"file {path}", f"{key.name} in {path}", os.path.dirname(path))


def _unknown_key(name: str, path: str, known: Mapping[str, Key]) -> str:
    section = name.partition(".")[0] + "."
    names = [each for each in known if each.startswith(section)] or list(known)
    guess = nearest(name, known) or f"known are {', '.join(names)}"
    return f"unknown key {name} in {path}: {guess}"


def _flag_value(key: Key, value: object) -> object:
    if isinstance(value, list | tuple):
        return [_path_text(each) for each in value]
    value = _path_text(value)
    return key.kind.from_text(value) if isinstance(value, str) else value


def _path_text(value: object) -> object:
    return os.fsdecode(value) if isinstance(value, bytes | os.PathLike) else value
