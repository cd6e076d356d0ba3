"""Which limits a file is held to: those of its model for its precision, or a user's own."""

import difflib
import math
from collections.abc import Iterable, Mapping, Sequence

from chunkport.errors import UsageError
from convert.quantization.precision import find_precision
from verify.metrics import METRICS
from verify.trials import TrialChoices, find_trial
from verify.verdict import Figure, Limits
from wrappers.spec import Limit, ModelSpec


def figures_of(spec: ModelSpec, choices: TrialChoices | None) -> dict[str, Figure]:
    """Every row with a number that a verdict of this model has, by name."""
    figures = {name: METRICS[name].figure for name in spec.metrics}
    for trial in spec.trials if choices is not None else ():
        figures |= find_trial(trial).rows(choices or TrialChoices())
    return figures


def limits_for(spec: ModelSpec, precision: str, by_hand: Iterable[Limit] = ()) -> Limits:
    """The limits by row: those of the spec, or what the precision is held to; by hand first."""
    own = spec.limits.get(precision)
    stated = spec.limits.get(find_precision(precision).held_to, ()) if own is None else own
    limits = {limit.metric: limit for limit in stated}
    return limits | {limit.metric: limit for limit in by_hand}


def parse_limits(texts: Sequence[str], figures: Mapping[str, Figure]) -> tuple[Limit, ...]:
    """A user's limits, each as NAME=VALUE; a limit keeps the sense of its row.

    Raises:
        UsageError: no NAME=VALUE, no such row, no finite number, or one row twice.
    """
    limits: dict[str, Limit] = {}
    for text in texts:
        name, _, written = text.partition("=")
        try:
            bound = float(written)
        except ValueError:
            bound = math.nan
        if not name or not math.isfinite(bound):
            raise UsageError(
                f"--limit {text}: write NAME=VALUE with a finite number, such as "
                f"{next(iter(figures), 'psnr_db')}=0.5"
            )
        if name not in figures:
            near = difflib.get_close_matches(name, figures, n=1)
            guess = f"; did you mean '{near[0]}'?" if near else ""
            raise UsageError(
                f"--limit {text}: no row with a number is called '{name}'{guess} "
                f"(rows: {', '.join(figures)})"
            )
        if name in limits:
            raise UsageError(f"--limit {text}: '{name}' has a limit already; give it one")
        limits[name] = Limit(name, bound, figures[name].sense, by_hand=True)
    return tuple(limits.values())
