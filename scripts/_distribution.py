"""How commands give their work to several processes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from scripts._output import Output

if TYPE_CHECKING:
    from verify.distribution import Workers

Command = TypeVar("Command", bound=Callable[..., Any])


def workers_options(command: Command) -> Command:
    """--workers and --ray-address."""
    several = click.option(
        "--workers",
        type=click.IntRange(min=1),
        default=1,
        help="Processes that share the work, by Ray; the result is the same.",
    )
    elsewhere = click.option(
        "--ray-address",
        metavar="ADDRESS",
        help="Of a Ray cluster that they run on.  [default: RAY_ADDRESS, or this machine]",
    )
    return several(elsewhere(command))


@contextmanager
def workers_for(
    output: Output, count: int, address: str | None, advance: Callable[..., None]
) -> "Iterator[Workers | None]":
    """The workers that were asked for, until the block ends; None for this process alone."""
    from verify.distribution import open_workers

    with open_workers(
        count, address, on_note=lambda note: advance(0, note=note), on_warning=output.warn
    ) as workers:
        yield workers
