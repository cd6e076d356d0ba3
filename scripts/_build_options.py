"""The flags that say how a model is built, as options of commands and as text to give again."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from chunkport.errors import UsageError

if TYPE_CHECKING:
    from wrappers.spec import BuildOptions

_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")


def _read_size(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    """The two numbers of HEIGHTxWIDTH."""
    if value is None:
        return None
    found = _SIZE.fullmatch(value)
    if not found:
        raise click.BadParameter(f"'{value}' is no HEIGHTxWIDTH such as 720x1280")
    return int(found[1]), int(found[2])


card_option = click.option(
    "--card",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The YAML card of a network that you trained yourself.",
)
_OPTIONS = (
    click.option("--layout", type=click.Choice(["nchw", "nhwc"]), help="Of the input picture."),
    click.option(
        "--image-size", type=click.IntRange(min=1), help="Pixels a side that the network sees."
    ),
    click.option(
        "--source-size",
        metavar="HxW",
        callback=_read_size,
        help="Take pictures of this size and resize them inside, as the public detector does.",
    ),
    click.option(
        "--simple/--no-simple",
        default=None,
        help="Whether pictures come in the network's size; --no-simple needs --source-size.",
    ),
    click.option("--split-outputs", is_flag=True, help="One output for each meaning."),
    click.option(
        "--target",
        type=click.Choice(["cpu", "gpu", "npu"]),
        default="cpu",
        help="What computes it: what a phone's GPU gets wrong in float16, or an NPU in 8 bits, is "
        "rewritten.",
    ),
    card_option,
)


def build_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the flags; `chosen_options` makes one value of them."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def chosen_options(
    *,
    layout: Any = None,
    image_size: int | None = None,
    source_size: tuple[int, int] | None = None,
    simple: bool | None = None,
    split_outputs: bool = False,
    target: Literal["cpu", "gpu", "npu"] = "cpu",
    card: Path | None = None,
) -> "BuildOptions":
    """The flags as one value.

    Raises:
        UsageError: --simple and --source-size contradict each other, or there is no such card.
        BadInputError: the card describes no network that is known here.
    """
    from wrappers.spec import BuildOptions

    if simple is False and source_size is None:
        raise UsageError(
            "--no-simple resizes inside, from pictures of one fixed size: name it, as in "
            "--source-size 720x1280"
        )
    if simple and source_size is not None:
        raise UsageError("--simple takes no pictures of another size; leave out --source-size")
    return BuildOptions(
        layout,
        image_size,
        source_size,
        split_outputs,
        _card_text(card),
        None if target == "cpu" else target,
    )


def flags_of(options: "BuildOptions") -> list[object]:
    """The flags that give these options again; a card is named as its file would be."""
    flags: list[object] = []
    if options.layout:
        flags += ["--layout", options.layout]
    if options.image_size:
        flags += ["--image-size", options.image_size]
    if options.source_size:
        flags += ["--source-size", "{}x{}".format(*options.source_size)]
    if options.split_outputs:
        flags.append("--split-outputs")
    if options.target:
        flags += ["--target", options.target]
    if options.model_card:
        flags += ["--card", "card.yaml"]
    return flags


def _card_text(card: Path | None) -> str | None:
    """The card's text, read once so that a fault names the file."""
    if card is None:
        return None
    if not card.is_file():
        raise UsageError(
            f"--card {card}: there is no such file; give a YAML card, or leave it out: the public "
            "detectors' cards come with --model"
        )
    from networks.cards import load_card

    load_card(card)
    text = card.read_text(encoding="utf-8")
    return text if "\n" in text else f"{text}\n"  # one line would be taken for a name
