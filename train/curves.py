"""A run's history as curves, in one picture that is drawn anew after every epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chunkport.files import make_folder, replacing

_COLUMNS = 2
_PANEL_INCHES = (5.6, 3.4)
_PADDING_INCHES = 0.14
_DOTS_PER_INCH = 110
_LINEAR_BELOW = 0.01
_FEW_EPOCHS = 40  # up to which each has its dot
_INK, _FAINT = "#333333", "#dddddd"
# Told apart by the colour-blind too (Okabe and Ito 2008).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


@dataclass(frozen=True)
class Panel:
    """One plot over the epochs.

    Attributes:
        title: above it.
        axis: what its values are, with their unit.
        curves: the label of each, by its key in the history.
        limits: of the values, where they have any.
        logarithmic: whether they span orders of magnitude; near 0, and below, they are drawn as
            they are.
    """

    title: str
    axis: str
    curves: Mapping[str, str]
    limits: tuple[float, float] | None = None
    logarithmic: bool = False


def write_curves(
    history: Mapping[str, Sequence[float]], panels: Sequence[Panel], path: Path
) -> None:
    """Draw each panel's part of the history, by epoch from 1, into one PNG.

    Values that are no numbers leave a gap. Its folder is made if it is missing.

    Raises:
        UsageError: the folder cannot serve.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.ticker import MaxNLocator

    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    width, height = _PANEL_INCHES
    layout = ConstrainedLayoutEngine(w_pad=_PADDING_INCHES, h_pad=_PADDING_INCHES)
    figure = Figure((width * columns, height * rows), dpi=_DOTS_PER_INCH, layout=layout)
    for index, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, index + 1)
        for (key, label), colour in zip(panel.curves.items(), _COLOURS, strict=False):
            values = history[key]
            dot = "o" if len(values) <= _FEW_EPOCHS else ""
            epochs = range(1, len(values) + 1)
            axes.plot(epochs, values, color=colour, label=label, marker=dot, markersize=3.5)
        axes.set_title(panel.title, loc="left", color=_INK, fontsize=11, fontweight="bold")
        axes.set_xlabel("epoch", color=_INK)
        axes.set_ylabel(panel.axis, color=_INK)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if panel.logarithmic:
            axes.set_yscale("symlog", linthresh=_LINEAR_BELOW)
        if panel.limits is not None:
            axes.set_ylim(*panel.limits)
        axes.grid(color=_FAINT, linewidth=0.7)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(_FAINT)
        axes.tick_params(color=_FAINT, labelcolor=_INK)
        if len(panel.curves) > 1:
            axes.legend(frameon=False, labelcolor=_INK)
    make_folder(path.parent)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
