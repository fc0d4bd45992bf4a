"""Groups of options that several commands have: a dataclass is the group, a field an option.

In: a command with a parameter that is such a dataclass. Out: the command as typer wants it, with a parameter for each
field in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, get_type_hints

Command = Callable[..., None]


def with_option_groups(command: Command) -> Command:
    """Return `command` with the fields of its parameters that are dataclasses as parameters of their own."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}

    @wraps(command)
    def spread(**given: Any) -> None:
        gathered = {
            name: group(**{each.name: given.pop(each.name) for each in fields(group)}) for name, group in groups.items()
        }
        command(**given, **gathered)

    parameters = [each for name in signature(command).parameters for each in _parameters(command, name, hints)]
    spread.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # what `signature` looks for first
    spread.__annotations__ = {each.name: each.annotation for each in parameters}
    return spread


def _parameters(command: Command, name: str, hints: dict[str, Any]) -> Iterator[Parameter]:
    group = hints[name]
    if not is_dataclass(group):
        yield signature(command).parameters[name].replace(annotation=group)
        return
    kinds = get_type_hints(group, include_extras=True)
    for each in fields(group):
        yield Parameter(each.name, Parameter.POSITIONAL_OR_KEYWORD, default=each.default, annotation=kinds[each.name])
