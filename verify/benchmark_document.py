"""Reads what `chunkport benchmark --output` wrote, and refuses what is something else."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chunkport.errors import BadInputError

SCHEMA_VERSION = 1
_COMMAND = "benchmark"
_REMEDY = "make it with chunkport benchmark FILES --checkpoint CKPT --output benchmark.json"
_FIGURES = (
    "size_bytes",
    "latency_p50_ms",
    "latency_p90_ms",
    "latency_min_ms",
    "peak_memory_bytes",
    "speed_vs_pytorch",
    "speed_vs_plain",
    "psnr_db",
)
_TEXTS = ("precision", "variant", "runtime", "reason")


@dataclass(frozen=True)
class BenchmarkRow:
    """One contender; a figure is None where it does not apply or could not be taken.

    Attributes:
        name: as the table shows it.
        precision: as in its card.
        variant: "rewritten" or "plain"; "network" for PyTorch.
        runtime: what ran it.
        figures: by the names that the document gives them, which end in their units.
        reason: why a figure is missing.
    """

    name: str
    precision: str | None
    variant: str | None
    runtime: str | None
    figures: Mapping[str, float | None]
    reason: str | None


@dataclass(frozen=True)
class BenchmarkDocument:
    """Contenders measured side by side, and the circumstances, as text by name."""

    circumstances: Mapping[str, str]
    rows: tuple[BenchmarkRow, ...]


def read_benchmark(path: Path) -> BenchmarkDocument:
    """Read and check a benchmark document.

    Raises:
        BadInputError: no such file, not JSON, of another command or version, or a value that
            is not what its key says.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror}); {_REMEDY}") from error
    except ValueError as error:  # of the JSON and of the UTF-8 alike
        raise BadInputError(f"{path}: not JSON ({error}); {_REMEDY}") from error
    if not isinstance(document, dict) or document.get("command") != _COMMAND:
        raise BadInputError(f"{path}: 'command' is not '{_COMMAND}'; {_REMEDY}")
    if document.get("schema_version") != SCHEMA_VERSION:
        found = document.get("schema_version")
        raise BadInputError(
            f"{path}: 'schema_version' is {found!r}, expected {SCHEMA_VERSION}; {_REMEDY}"
        )
    contenders = document.get("contenders")
    if not isinstance(contenders, list) or not contenders:
        raise BadInputError(f"{path}: 'contenders' is not a list with entries; {_REMEDY}")
    rows = tuple(_row(item, f"{path}: contenders[{i}]") for i, item in enumerate(contenders))
    return BenchmarkDocument(_circumstances(document, path), rows)


def _circumstances(document: Mapping[str, Any], path: Path) -> dict[str, str]:
    machine = document.get("machine", {})
    if not isinstance(machine, dict):
        raise BadInputError(f"{path}: 'machine' is not an object; {_REMEDY}")
    counts = {key: document[key] for key in ("num_threads", "rounds") if key in document}
    return {key.replace("_", " "): str(value) for key, value in {**machine, **counts}.items()}


def _row(item: Any, place: str) -> BenchmarkRow:
    if not isinstance(item, dict):
        raise BadInputError(f"{place} is not an object; {_REMEDY}")
    if not isinstance(item.get("name"), str):
        raise BadInputError(f"{place}.name is not a text; {_REMEDY}")
    figures = {key: _checked(item, key, _is_figure, "a number", place) for key in _FIGURES}
    texts = {key: _checked(item, key, _is_text, "a text", place) for key in _TEXTS}
    return BenchmarkRow(name=item["name"], figures=figures, **texts)


def _checked(
    item: Mapping[str, Any], key: str, fits: Callable[[str, Any], bool], wanted: str, place: str
) -> Any:
    value = item.get(key)
    if value is not None and not fits(key, value):
        raise BadInputError(f"{place}.{key} is {value!r}, expected {wanted} or null; {_REMEDY}")
    return value


def _is_figure(key: str, value: Any) -> bool:
    """A number that can be drawn; only the PSNR may be infinite, as of equal pictures."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return not math.isnan(value) if key == "psnr_db" else 0 <= value < math.inf


def _is_text(_key: str, value: Any) -> bool:
    return isinstance(value, str)
