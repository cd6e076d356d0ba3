"""What a command says: results on stdout, for people or as JSON; everything else on stderr."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import click

from chunkport.json_values import without_infinities

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA_VERSION = 1
_PIPE_WIDTH = 160


@dataclass(frozen=True)
class Column:
    """One column of a table: the key of its value in each row, and how a person sees it."""

    key: str
    title: str
    show: Callable[[Any], str] = str
    right: bool = False


@dataclass
class Output:
    """Collects what a command found; prints it as it comes, or as one JSON document at the end."""

    command: str
    as_json: bool = False
    quiet: bool = False
    verbose: bool = False
    hushed: bool = False
    _document: dict[str, Any] = field(default_factory=dict)

    def table(
        self,
        key: str | None,
        title: str,
        columns: Sequence[Column],
        rows: Sequence[Mapping[str, Any]],
    ) -> None:
        """Show rows as a table; in JSON they stand whole under `key`, unless it is None."""
        if key is not None:
            self._document.setdefault(key, []).extend(dict(row) for row in rows)
        if self.as_json:
            return
        from rich import box
        from rich.markup import escape
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD)
        for column in columns:
            justify: Literal["left", "right"] = "right" if column.right else "left"
            table.add_column(column.title, justify=justify, overflow="fold")  # no path is cut
        for row in rows:
            table.add_row(*(escape(column.show(row.get(column.key))) for column in columns))
        console = self._console(stderr=False)
        console.print(title, style="bold", soft_wrap=True, markup=False)  # no path is cut here
        console.print(table)

    def fact(self, key: str, value: Any, sentence: str | None = None) -> None:
        """Record a value in the JSON; for a person, print the sentence if there is one."""
        self._document[key] = value
        if sentence and not self.as_json:
            click.echo(sentence)

    def hush(self) -> None:
        """Leave all but errors to another process, which says the same."""
        self.as_json, self.quiet, self.hushed = False, True, True

    def note(self, sentence: str) -> None:
        """Tell the person what is going on, on stderr; silent under --quiet."""
        if not self.quiet:
            click.echo(sentence, err=True)

    def warn(self, sentence: str) -> None:
        """Tell the person what to beware of, on stderr, and keep it in the JSON."""
        self._document.setdefault("warnings", []).append(sentence)
        if not self.hushed:
            click.echo(f"Warning: {sentence}", err=True)

    def next_step(self, command_line: str) -> None:
        """End a result with the command that one would run next."""
        self._document["next"] = command_line
        if not self.as_json and not self.quiet:
            click.echo(f"Next: {command_line}")

    @contextmanager
    def progress(self, title: str, total: float | None = None) -> Iterator[Callable[..., None]]:
        """A bar on stderr while the block runs; yields `advance(steps=1, note="")`.

        Nothing is drawn where stderr is no terminal, or under --quiet.
        """
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        console = self._console(stderr=True)
        columns = [TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()]
        if total is not None:
            columns += [MofNCompleteColumn(), TimeRemainingColumn()]
        hidden = self.quiet or not console.is_terminal
        with Progress(*columns, console=console, disable=hidden, transient=True) as bar:
            task = bar.add_task(title, total=total)

            def advance(steps: float = 1, note: str = "") -> None:
                bar.update(task, advance=steps, description=f"{title} {note}".rstrip())

            yield advance

    def document(self) -> dict[str, Any]:
        """Everything found so far, as the JSON document."""
        found: dict[str, Any] = without_infinities(self._document)
        return {"schema_version": SCHEMA_VERSION, "command": self.command, **found}

    def close(self) -> None:
        """Print the JSON document, where JSON was asked for."""
        if self.as_json:
            click.echo(json.dumps(self.document(), indent=2, allow_nan=False))

    def _console(self, *, stderr: bool) -> "Console":
        from rich.console import Console

        console = Console(stderr=stderr, highlight=False)
        if not console.is_terminal:  # a pipe has no width; tables must not be cut for it
            console.width = _PIPE_WIDTH
        return console


def megabytes(size_bytes: float | None) -> str:
    """Bytes as decimal megabytes for a person, as phones and app stores count them."""
    return "-" if size_bytes is None else f"{size_bytes / 1e6:.2f} MB"


def ratio(value: float | None) -> str:
    """A ratio for a person: 2.93x."""
    return "-" if value is None else f"{value:.2f}x"


def number(value: float | None) -> str:
    """A measured number for a person, to four digits."""
    return "-" if value is None else f"{value:.4g}"
