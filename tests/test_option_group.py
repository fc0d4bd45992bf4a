"""Groups of options: a dataclass spread over the parameters of a command."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import Annotated, Any

import pytest
import typer

from qacache.cli.option_group import with_option_groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """A group with a text and a flag."""

    shade: Annotated[str | None, typer.Option("--shade", metavar="NAME", help="How dark.")] = None
    bright: Annotated[bool, typer.Option("--bright")] = False


def command_of(seen: list[Any]) -> typer.Typer:
    app = typer.Typer(add_completion=False)

    @app.command()
    @with_option_groups
    def paint(name: Annotated[str, typer.Argument()], colours: Colours, times: int = 1) -> None:
        """Paint it."""
        seen.append((name, colours, times))

    return app


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["wall"], ("wall", Colours(), 1)),
        (["--shade", "dark", "wall", "--times", "3"], ("wall", Colours(shade="dark"), 3)),
        (["wall", "--bright"], ("wall", Colours(bright=True), 1)),
    ],
)
def test_a_command_gets_the_group_with_what_was_typed(arguments: list[str], expected: tuple[Any, ...]) -> None:
    seen: list[Any] = []
    typer.main.get_command(command_of(seen)).main(arguments, standalone_mode=False)
    assert seen == [expected]


def test_the_parameters_of_a_group_stand_where_it_stood() -> None:
    @with_option_groups
    def paint(name: str, colours: Colours, times: int = 1) -> None:
        """Paint it."""

    assert list(signature(paint).parameters) == ["name", "shade", "bright", "times"]
    assert (paint.__name__, paint.__doc__) == ("paint", "Paint it.")
