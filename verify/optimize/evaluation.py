"""Makes one candidate and measures it: `evaluate` needs nothing but the values it is given."""

import contextlib
import hashlib
import io
import json
import math
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chunkport.errors import BadInputError, ConversionError
from chunkport.files import sha256_of
from convert.calibration.samples import CalibrationChoice
from convert.card import Card, read_card
from convert.quantization.derivation import derive
from convert.quantization.recipe import Recipe
from convert.quantization.weight_rounding import samples_to_round_by
from verify.judge import judge
from verify.metrics import relative_l2, stacked
from verify.reference import Reference, compute_reference
from verify.runtimes.litert import LiteRtSession
from verify.subject import identify
from verify.trials import TrialChoices
from verify.verdict import Verdict
from wrappers.spec import BuildOptions, Limit

if TYPE_CHECKING:
    from wrappers.spec import Arrays

PRECISION = "mixed"


@dataclass(frozen=True)
class Setting:
    """What every candidate of a search is made from and held to; plain values, to be sent around.

    Attributes:
        float_model: the float32 .tflite, with its card.
        model: registered name or FILE.py:NAME of its ModelSpec.
        checkpoint: what the float32 file was made from.
        options: how the model was built.
        limits: set by hand, in place of the model's own.
        samples: of the verdict.
        probes: how many of these the error is measured on.
        seed: of the samples.
        threads: of the runtime.
    """

    float_model: Path
    model: str
    checkpoint: Path
    options: BuildOptions
    limits: tuple[Limit, ...]
    samples: int
    probes: int
    seed: int
    threads: int


@dataclass(frozen=True)
class Candidate:
    """A recipe to be tried.

    Attributes:
        recipe: how the file is made from the float32 one.
        judged: whether its full verdict is wanted, or its error alone.
    """

    recipe: Recipe
    judged: bool


@dataclass(frozen=True)
class Result:
    """What was found of a candidate.

    Attributes:
        size_bytes: of the file; 0 where it could not be made.
        bare_bytes: of it without its card, which grows with the recipe.
        error: the squared distance of its outputs from the network's, as a part of theirs;
            infinite where it does not run.
        checks: the rows of its verdict as JSON values; none where none was wanted.
        fault: why it could not be made or run.
        seconds: that it took.
    """

    size_bytes: int
    bare_bytes: int
    error: float
    checks: tuple[Mapping[str, Any], ...] = ()
    fault: str | None = None
    seconds: float = field(default=0.0, compare=False)

    @property
    def passed(self) -> bool:
        """Whether it was judged and no row failed."""
        return bool(self.checks) and not self.failed_rows

    @property
    def failed_rows(self) -> list[Mapping[str, Any]]:
        """The rows of the verdict that failed."""
        return [row for row in self.checks if row["passed"] is False]

    def to_json(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return {**asdict(self), "error": self.error if math.isfinite(self.error) else None}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Result":
        """Undo `to_json`; raises TypeError or LookupError for values of something else."""
        error = math.inf if values["error"] is None else values["error"]
        return cls(**{**values, "error": error, "checks": tuple(values["checks"])})


def evaluate(setting: Setting, candidate: Candidate) -> Result:
    """Make the candidate's file and measure it; a file that cannot be made or run is a result too.

    Raises:
        BadInputError: the checkpoint or the float32 file is damaged.
    """
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="chunkport-") as folder:
        path = Path(folder) / "candidate.tflite"
        try:
            make_file(setting, candidate.recipe, path)
            size_bytes = path.stat().st_size
            card_bytes = _card_bytes(path)
            error = _error(setting, path)
        except (ConversionError, ValueError, RuntimeError) as fault:
            return Result(0, 0, math.inf, fault=str(fault), seconds=time.perf_counter() - started)
        checks: tuple[Mapping[str, Any], ...] = ()
        if candidate.judged:
            checks = tuple(asdict(check) for check in judge_file(setting, path).checks)
    return Result(
        size_bytes, size_bytes - card_bytes, error, checks, seconds=time.perf_counter() - started
    )


def make_file(setting: Setting, recipe: Recipe, target: Path) -> None:
    """Write the file as `chunkport convert --recipe` writes it, by the same samples if by any.

    Raises:
        BadInputError: the float32 file is damaged.
        ConversionError: the recipe cannot be done.
    """
    float_model = setting.float_model
    card = replace(float_card(float_model), precision=PRECISION, recipe=recipe.to_json())
    samples = None
    if recipe.rounded_by_samples:
        samples = samples_to_round_by(float_model, CalibrationChoice(), setting.model)
    said = io.StringIO()  # the quantizer tells its progress, and results go to stdout
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        derive(float_model, PRECISION, recipe, target, card, samples=samples)


def judge_file(setting: Setting, path: Path) -> Verdict:
    """The full verdict of a file, trials included."""
    subject = identify(path, setting.model)
    return judge(subject, _reference(setting), setting.threads, by_hand=setting.limits)


def first_input(setting: Setting) -> "Arrays":
    """The first of the samples, to time a run on."""
    return _reference(setting).inputs[0]


def key_of(setting: Setting, candidate: Candidate) -> str:
    """What the result depends on, as a SHA-256: equal where a saved one may be used again."""
    decides = {
        "float_model": _sha256_of(setting.float_model),
        "tools": float_card(setting.float_model).tools,
        "samples": setting.samples,
        "probes": setting.probes,
        "seed": setting.seed,
        "limits": [asdict(limit) for limit in setting.limits] if candidate.judged else [],
        "judged": candidate.judged,
        "recipe": candidate.recipe.to_json(),
    }
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()


@lru_cache(maxsize=1)
def float_card(float_model: Path) -> Card:
    """The card of the float32 file.

    Raises:
        BadInputError: it has none, or is damaged.
    """
    card = read_card(float_model)
    if card is None:
        raise BadInputError(f"{float_model}: has no chunkport card; convert the checkpoint again")
    return card


def _card_bytes(path: Path) -> int:
    card = read_card(path)
    return 0 if card is None else len(json.dumps(card.to_json(), indent=1))


@lru_cache(maxsize=1)
def _sha256_of(path: Path) -> str:
    return sha256_of(path)


@lru_cache(maxsize=2)  # of the search, and of the samples that it never saw
def _reference(setting: Setting) -> Reference:
    """The network's side, once in each process."""
    return compute_reference(
        *(setting.model, setting.checkpoint, setting.samples, setting.seed),
        options=setting.options,
        trials=TrialChoices(),
    )


def _error(setting: Setting, path: Path) -> float:
    """The squared relative distance of the outputs on the first samples."""
    reference = _reference(setting)
    session = LiteRtSession(path, setting.threads)
    inputs = reference.inputs[: setting.probes]
    names = [output.name for output in reference.contract.outputs]
    expected = stacked(reference.outputs[: setting.probes], *names)
    actual = stacked([session.run(item) for item in inputs], *names)
    error = relative_l2(expected, actual, 1) ** 2
    return error if math.isfinite(error) else math.inf
