"""From all sources to one configuration: defaults < TOML file < variables < flags.

What users gave comes in; `Settings`, or one `ConfigError` with a line for each problem, goes out.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from qacache.config import places, sources
from qacache.config.keys import PREFIX, Key
from qacache.config.kinds import Plain
from qacache.config.sections import Config, keys, sections
from qacache.config.units import format_duration
from qacache.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

DEFAULT_ORIGIN = "default"


class Setting(NamedTuple):
    """The effective value of one key.

    `value` is typed, `plain` is what a TOML file would hold (it fits JSON too), `origin` says who set it:
    `default`, `file /path`, `variable QACACHE_X` or `flag --x`.
    """

    key: Key
    value: object
    plain: Plain
    origin: str


class Settings(NamedTuple):
    """The configuration, and where each of its values comes from.

    `file` is the TOML file that was read. `origins` has the keys that are not at their defaults, by name.
    """

    config: Config
    file: str | None
    origins: Mapping[str, str]

    def origin(self, name: str) -> str:
        """Return who set key `name`: `default`, `file /path`, `variable QACACHE_X` or `flag --x`."""
        return self.origins.get(name, DEFAULT_ORIGIN)

    def effective(self) -> Iterator[Setting]:
        """Yield every key with its value and origin, section by section."""
        for attribute, key in keys():
            value = getattr(getattr(self.config, key.section), attribute)
            yield Setting(key, value, key.kind.show(value), self.origin(key.name))


def config_file(config_path: str | os.PathLike[str] | None = None, environ: Mapping[str, str] | None = None) -> str:
    """Return the TOML file that `load` reads, or that it would read if it were there."""
    environ = os.environ if environ is None else environ
    file, _ = sources.find_file(config_path, environ.get(sources.FILE_VARIABLE, ""))
    return file or places.user_config_file()


def load(
    *,
    config_path: str | os.PathLike[str] | None = None,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Return the configuration that the file, the variables and the flags make together.

    `config_path` is the value of `--config`. `flags` maps names of keys (`db.path`) to what was typed; None
    is a flag that was not given. `environ` gives the variables in place of `os.environ`; `~` and the user's
    folders are the process's all the same. Raises one `ConfigError` with a line for each problem.
    """
    environ = os.environ if environ is None else environ
    variables = {name: text for name, text in environ.items() if name.startswith(PREFIX)}
    file, named_by = sources.find_file(config_path, variables.pop(sources.FILE_VARIABLE, ""))
    typed = {name: value for name, value in (flags or {}).items() if value is not None}
    if file is None and not variables and not typed:
        return Settings(Config(), None, {})

    known = {key.name: key for _, key in keys()}
    problems: list[str] = []
    given = [
        *(sources.from_file(file, named_by, known, problems) if file is not None else ()),
        *sources.from_variables(variables, known.values(), problems),
        *sources.from_flags(typed, known),
    ]
    values = _parse(given, problems)
    _raise_any(problems)
    settings = Settings(_build(values), file, {each.key.name: each.origin for each in given})
    _raise_any(_contradictions(settings))
    return settings


def _parse(given: Iterable[sources.Given], problems: list[str]) -> dict[str, Any]:
    """Return the value of each key that was given one; the last one wins, but all are checked."""
    values: dict[str, Any] = {}
    for each in given:
        try:
            values[each.key.name] = each.key.parse(each.value, each.folder)
        except ValueError as error:
            problems.append(f"{each.subject}: {error}")
    return values


def _build(values: Mapping[str, Any]) -> Config:
    arguments: dict[str, dict[str, Any]] = {section: {} for section in sections()}
    for attribute, key in keys():
        if key.name in values:
            arguments[key.section][attribute] = values[key.name]
    return Config(**{name: section(**arguments[name]) for name, section in sections().items()})


def _contradictions(settings: Settings) -> list[str]:
    """Return what is wrong between keys that are right by themselves."""
    scan = settings.config.scan
    if scan.retry_min_s <= scan.retry_max_s:
        return []
    least, most = format_duration(scan.retry_min_s), format_duration(scan.retry_max_s)
    origins = f"{settings.origin('scan.retry_min')}; {settings.origin('scan.retry_max')}"
    return [f"scan.retry_min is {least}, more than scan.retry_max, {most} ({origins}): change one of them"]


def _raise_any(problems: list[str]) -> None:
    if problems:
        raise ConfigError("\n".join(problems))
