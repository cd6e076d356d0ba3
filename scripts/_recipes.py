"""The flags that say which widths a file gets beyond its precision."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from convert.quantization.recipe import Recipe

recipe_option = click.option(
    "--recipe",
    "recipe_file",
    metavar="R.json",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also make the precision 'mixed' by these rules, such as `optimize` finds.",
)
require_full_option = click.option(
    "--require-full",
    is_flag=True,
    help="Write nothing where an integer file would leave in float what its precision is for.",
)


def chosen_recipe(recipe_file: Path | None) -> "Recipe | None":
    """The recipe that was named, if one was.

    Raises:
        UsageError: it cannot be read, or is none.
    """
    if recipe_file is None:
        return None
    from convert.quantization.recipe import read_recipe

    return read_recipe(recipe_file)


def precisions_or(
    default: str, precisions: tuple[str, ...], recipe: "Recipe | None"
) -> tuple[str, ...]:
    """What to make: the default only where neither a precision nor a recipe was named."""
    return precisions or (() if recipe else (default,))
