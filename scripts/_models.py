"""How commands name models and precisions; unknown names are refused by what looks them up."""

import shlex

import click

from chunkport.errors import UsageError
from convert.quantization.precision import precision_names
from wrappers.registry import model_names

MODELS = ", ".join(model_names())
PRECISIONS = ", ".join(precision_names())

model_option = click.option("--model", metavar="NAME", help=f"What it is of: {MODELS}.")
spec_option = click.option(
    "--spec", metavar="FILE.py:NAME", help="A model of your own, by its ModelSpec."
)


def named_model(model: str | None, spec: str | None) -> str | None:
    """The model that was named, if one was.

    Raises:
        UsageError: two were.
    """
    if model is not None and spec is not None:
        raise UsageError(f"name one model, not both --model {model} and --spec {spec}")
    return model or spec


def chosen_model(model: str | None, spec: str | None) -> str:
    """The one model that was named.

    Raises:
        UsageError: none or both were.
    """
    named = named_model(model, spec)
    if named is None:
        raise UsageError(f"name the model: either --model ({MODELS}) or --spec FILE.py:NAME")
    return named


def spec_again(spec: str | None) -> str:
    """The --spec flag of the next command line, where this one had it."""
    return f" --spec {shlex.quote(spec)}" if spec else ""
