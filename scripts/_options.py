"""How every command takes its arguments: the flags that all share, and kinds of paths."""

import functools
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from scripts._output import Output

CHECKPOINT = click.Path(path_type=Path)
TFLITE = click.Path(path_type=Path)

_CONTEXT = {
    "token_normalize_func": lambda token: token.replace("_", "-"),
    "show_default": True,
    "max_content_width": 100,
}
FOLDER = click.Path(file_okay=False, path_type=Path)


class NumberRange(click.FloatRange):
    """A range of numbers, which 'nan' is none of: it would pass every comparison."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number that was typed, within the range."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is no number.", param, ctx)
        return number


class _Grouped(click.Option):
    """An option that `--help` shows under a title of its own."""

    def __init__(self, *args: Any, group: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group


class _Command(click.Command):
    """A command that shows its options by group, those of none first."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group as a section."""
        groups: dict[str, list[tuple[str, str]]] = {"Options": []}
        for param in self.get_params(ctx):
            title = param.group if isinstance(param, _Grouped) else "Options"
            if record := param.get_help_record(ctx):
                groups.setdefault(title, []).append(record)
        for title, records in groups.items():
            with formatter.section(title):
                formatter.write_dl(records)


def grouped_option(group: str, *names: str, **attributes: Any) -> Callable[..., Any]:
    """`click.option` for one that `--help` shows under the title `group`."""
    return click.option(*names, cls=_Grouped, group=group, **attributes)


def chunkport_command(
    name: str,
) -> Callable[[Callable[..., int | None]], click.Command]:
    """Make a command: kebab-case or snake_case flags, --format, -v, -q, and an `output` argument.

    The function returns its exit code, None for 0.
    """

    def decorate(function: Callable[..., int | None]) -> click.Command:
        @functools.wraps(function)  # carries the options over, which click keeps on the function
        def call(*, output_format: str, verbose: bool, quiet: bool, **arguments: Any) -> int:
            output = Output(name, as_json=output_format == "json", quiet=quiet, verbose=verbose)
            code = function(output=output, **arguments)
            output.close()
            return code or 0

        made = click.command(name, cls=_Command, context_settings=_CONTEXT)(call)
        made.params += [
            click.Option(
                ["--format", "output_format"],
                type=click.Choice(["human", "json"]),
                default="human",
                help="How results are printed.",
            ),
            click.Option(["-v", "--verbose"], is_flag=True, help="Show the tools' own output."),
            click.Option(["-q", "--quiet"], is_flag=True, help="Only results and errors."),
        ]
        return made

    return decorate


def typed_again(context: click.Context, **changed: Any) -> str:
    """The command line that was typed, in full words; flags in `changed` so, or dropped for None.

    Arguments without a flag are left out.
    """
    words = ["chunkport", str(context.command.name)]
    for parameter in context.command.params:
        name = str(parameter.name)
        typed = context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if not isinstance(parameter, click.Option) or not (typed or name in changed):
            continue
        value = changed[name] if name in changed else context.params.get(name, True)
        if parameter.is_flag:
            words += [(parameter.opts if value else parameter.secondary_opts)[-1]]
        elif value is not None:
            values = value if parameter.multiple else [value]
            words += [word for item in values for word in (parameter.opts[-1], str(item))]
    return shlex.join(words)
