"""A recipe: which layers of a model get which widths. Plain values, kept as JSON.

A precision of the table is a recipe for every layer alike; a mixed one has rules for some.
"""

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from chunkport.errors import UsageError

SCHEMA_VERSION = 1
EVERYTHING = ".*"
CHOICES: Mapping[str, tuple[str, ...]] = {
    "weights": ("float32", "float16", "int8", "int4"),
    "activations": ("float32", "dynamic", "int8", "int16"),
    "granularity": ("channel", "tensor", "block-32", "block-64", "block-128", "block-256"),
    "algorithm": ("min-max", "octav", "mse", "gptq"),
}
_FLOATS = ("float32", "float16")
BY_SAMPLES = ("gptq",)


@dataclass(frozen=True)
class Rule:
    """What some ops keep their weights in, and what they compute with.

    Attributes:
        weights: "float32", "float16", "int8" or "int4".
        activations: "float32" leaves them, and integer weights are widened before the op;
            "dynamic" rounds them to 8 bits as they come; "int8" and "int16" by ranges that were
            measured before.
        granularity: which weights share a scale: those of an output channel, all, or a block.
        algorithm: how scales and integers are chosen. Each weight by itself: by the largest
            ("min-max"), by what is worth cutting ("octav"), or by the mean square ("mse"). Or all
            of a layer together, so that what it gives stays: "gptq", see
            convert/quantization/hessian_rounding.py.
        layer: regular expression, searched in the name of the op's first output.
        op: the op as TFLite names it, such as CONV_2D; "*" for all.
        reason: where it keeps something in float: why, in plain words.

    Raises:
        UsageError: a value is none of the choices, or two of them contradict each other.
    """

    weights: str
    activations: str = "dynamic"
    granularity: str = "channel"
    algorithm: str = "min-max"
    layer: str = EVERYTHING
    op: str = "*"
    reason: str = ""

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                near = difflib.get_close_matches(str(value), choices, n=1)
                meant = f" Did you mean '{near[0]}'?" if near else ""
                raise UsageError(
                    f"{name} of a rule cannot be '{value}'.{meant} Choices: {', '.join(choices)}"
                )
        if self.weights in _FLOATS and self.activations in ("int8", "int16"):
            raise UsageError(
                f"a rule cannot have {self.activations} activations and {self.weights} weights: "
                "an op that computes in integers has integer weights"
            )
        if self.algorithm in BY_SAMPLES and (
            self.weights in _FLOATS
            or self.activations in ("int8", "int16")
            or self.granularity != "channel"
        ):
            raise UsageError(
                f"algorithm {self.algorithm} is for int8 or int4 weights with a scale per channel "
                "and activations that are dynamic or float32; choose another, such as min-max"
            )
        try:
            re.compile(f"(?:{self.layer})")  # as a part, which is how the quantizer searches it
        except re.error as error:
            raise UsageError(
                f"layer '{self.layer}' of a rule is no regular expression: {error}"
            ) from error

    @property
    def calibrated(self) -> bool:
        """Whether it needs samples that were run through the model before."""
        return self.activations in ("int8", "int16")

    def matches(self, op: str, scope: str) -> bool:
        """Whether it is for an op that TFLite calls so, with outputs of these names."""
        return self.op in ("*", op) and re.search(self.layer, scope) is not None


@dataclass(frozen=True)
class Recipe:
    """Rules in order: of those that match an op and can be done for it, the last one counts.

    Attributes:
        rules: without any that matches, an op stays as it is.
        integer_io: inputs and outputs are integers too, for NPUs that know nothing else.
        bias_correction: the biases of layers with "gptq" weights make up for what rounding did
            to the means.
    """

    rules: tuple[Rule, ...]
    integer_io: bool = False
    bias_correction: bool = False

    @property
    def rounded_by_samples(self) -> bool:
        """Whether it needs samples to choose the integers by."""
        return any(rule.algorithm in BY_SAMPLES for rule in self.rules)

    @property
    def calibrated(self) -> bool:
        """Whether it needs samples that were run through the model before."""
        return any(rule.calibrated for rule in self.rules)

    @property
    def in_integers(self) -> bool:
        """Whether it makes integers of any weights."""
        return any(rule.weights.startswith("int") for rule in self.rules)

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain JSON values; what a rule leaves at its default is left out."""
        defaults = {field.name: field.default for field in fields(Rule)}
        rules = [
            {name: value for name, value in asdict(rule).items() if value != defaults[name]}
            for rule in self.rules
        ]
        return {
            "schema_version": SCHEMA_VERSION,
            "rules": rules,
            "integer_io": self.integer_io,
            **({"bias_correction": True} if self.bias_correction else {}),
        }

    @classmethod
    def from_json(cls, values: Any, origin: str = "the recipe") -> "Recipe":
        """Undo `to_json`.

        Raises:
            UsageError: it is no recipe, of a later chunkport, or a rule of it is wrong; says which.
        """
        if not isinstance(values, Mapping) or not isinstance(values.get("rules"), list):
            raise UsageError(f"{origin}: is no recipe: it has no list of 'rules'")
        if values.get("schema_version") != SCHEMA_VERSION:
            raise UsageError(
                f"{origin}: its schema_version is {values.get('schema_version')!r}, and "
                f"{SCHEMA_VERSION} is what is known here; update chunkport, or write it anew"
            )
        _only_known(values, ("schema_version", "rules", "integer_io", "bias_correction"), origin)
        rules = []
        for index, rule in enumerate(values["rules"]):
            place = f"{origin}: rule {index}"
            if not isinstance(rule, Mapping) or "weights" not in rule:
                raise UsageError(f"{place}: has no 'weights'")
            _only_known(rule, [field.name for field in fields(Rule)], place)
            if wrong := [name for name, value in rule.items() if not isinstance(value, str)]:
                raise UsageError(f"{place}: '{wrong[0]}' is not a text")
            try:
                rules.append(Rule(**rule))
            except UsageError as error:
                raise UsageError(f"{place}: {error}") from error
        if not rules:
            raise UsageError(f"{origin}: 'rules' is empty; add one with 'weights', for one int8")
        flags = {name: values.get(name, False) for name in ("integer_io", "bias_correction")}
        for name, flag in flags.items():
            if not isinstance(flag, bool):
                raise UsageError(f"{origin}: '{name}' is {flag!r}; expected true or false")
        recipe = cls(tuple(rules), **flags)
        if recipe.integer_io and not recipe.calibrated:
            raise UsageError(
                f"{origin}: 'integer_io' needs ranges, and no rule has int8 or int16 'activations'"
            )
        return recipe


def read_recipe(path: Path) -> Recipe:
    """The recipe in a JSON file.

    Raises:
        UsageError: there is no such file, or what it holds is no recipe; says where.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); name a recipe") from error
    except ValueError as error:
        raise UsageError(f"{path}: is no JSON ({error}); write the recipe anew") from error
    return Recipe.from_json(values, str(path))


def _only_known(values: Mapping[str, Any], known: Any, place: str) -> None:
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            raise UsageError(f"{place}: '{name}' is not known{meant} (known: {', '.join(known)})")
