"""How commands name models and precisions; unknown names are refused by what looks them up."""

import click

from chunkport.errors import UsageError
from convert.precision import precision_names
from wrappers.registry import model_names

MODELS = ", ".join(model_names())
PRECISIONS = ", ".join(precision_names())

model_option = click.option("--model", metavar="NAME", help=f"What it is of: {MODELS}.")
spec_option = click.option(
    "--spec", metavar="FILE.py:NAME", help="A model of your own, by its ModelSpec."
)


def chosen_model(model: str | None, spec: str | None) -> str:
    """The one model that was named.

    Raises:
        UsageError: none or both were.
    """
    if (model is None) == (spec is None):
        raise UsageError(f"name the model: either --model ({MODELS}) or --spec FILE.py:NAME")
    return str(model or spec)
