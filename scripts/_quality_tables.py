"""How `score-images` shows what it found."""

import math
from typing import TYPE_CHECKING, Any

from scripts._output import Column, Output, number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from networks.quality.figures import Figure
    from networks.quality.judgement import Judgement, SetQuality

_REAL = "real pictures"


def show_judgement(output: Output, judgement: "Judgement", origin: str) -> None:
    """The figures of each set beside their floor, then their ceilings, then the classes.

    In the JSON `figures` says what each means; `sources`, `floor` and `ceilings` have them all.
    """
    from networks.quality.figures import FIGURES

    output.fact("count", judgement.count)
    output.fact("training_pictures", judgement.training)
    output.fact("real", origin)
    output.fact("classifier_sha256", judgement.classifier_sha256)
    output.fact("classifier_accuracy", judgement.accuracy)
    output.fact("classes_refused", judgement.classes_refused)
    output.fact("figures", [vars(figure) for figure in FIGURES])
    output.fact("floor", judgement.floor.to_json())
    output.fact("ceilings", {name: it.to_json() for name, it in judgement.ceilings.items()})
    output.fact("real_class_shares", judgement.real_shares)
    beside = {**judgement.sets, _REAL: judgement.floor}
    _table(
        output,
        f"{judgement.count} pictures of each beside as many real ones; copies looked for among "
        f"{judgement.training}. Real: {origin}",
        beside,
        (Column("better", "better"), Column("meaning", "in plain words")),
    )
    sizes = ", ".join(f"{name}: {it.count}" for name, it in judgement.ceilings.items())
    _table(output, f"To judge them by: real pictures, spoilt ({sizes})", judgement.ceilings)
    if judgement.real_shares is not None:
        _classes(output, beside)


def _table(
    output: Output,
    title: str,
    sets: "Mapping[str, SetQuality]",
    after: tuple[Column, ...] = (),
) -> None:
    from networks.quality.figures import FIGURES

    columns = (Column("figure", "figure"), *(Column(name, name, right=True) for name in sets))
    rows = [
        {
            "figure": figure.name.replace("_", " "),
            "better": figure.better,
            "meaning": figure.explanation,
            **{name: _shown(figure, found) for name, found in sets.items()},
        }
        for figure in FIGURES
    ]
    output.table(None, title, (*columns, *after), rows)


def _shown(figure: "Figure", found: "SetQuality") -> str:
    value: float | None = getattr(found, figure.name)
    if value is None or math.isnan(value):
        return "-"
    if figure.name == "kid":
        return with_interval(value, found.kid_highest - value)
    return f"{value:.1%}" if figure.share else number(value)


def with_interval(value: float, half: float) -> str:
    """With as many digits as half the interval has two of: features differ in scale."""
    if half <= 0:
        return f"{number(value)} ± 0"
    digits = max(1 - math.floor(math.log10(half)), 0)
    return f"{value:.{digits}f} ± {half:.{digits}f}"


def _classes(output: Output, sets: "Mapping[str, SetQuality]") -> None:
    share: Callable[[Any], str] = "{:.1%}".format
    shares = {name: found.class_shares or {} for name, found in sets.items()}
    first = Column("class", "taken for")
    columns = (first, *(Column(name, name, share, right=True) for name in sets))
    rows = [
        {"class": kind, **{name: of_it[kind] for name, of_it in shares.items()}}
        for kind in next(iter(shares.values()))
    ]
    output.table(None, "Share of the pictures that the classifier takes for each", columns, rows)
