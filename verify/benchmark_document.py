"""Reads what `chunkport benchmark --output` wrote, and refuses what is something else."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chunkport.errors import BadInputError

SCHEMA_VERSION = 2
_READABLE = (1, 2)  # the first knew one number of threads, and had neither forms nor sgemm
_COMMAND = "benchmark"
_REMEDY = "make it with chunkport benchmark FILES --checkpoint CKPT --output benchmark.json"
_FIGURES = (
    "num_threads",
    "size_bytes",
    "latency_p50_ms",
    "latency_p90_ms",
    "latency_min_ms",
    "round_spread",
    "peak_memory_bytes",
    "speed_vs_pytorch",
    "speed_vs_plain",
    "gflop_per_s",
    "share_of_sgemm",
    "psnr_db",
)
_FORM_FIGURES = (
    "size_bytes",
    "psnr_db",
    "gflop",
    "ops",
    "ops_on_xnnpack",
    "share_of_ops_on_xnnpack",
    "share_of_gflop_on_xnnpack",
    "xnnpack_partitions",
    "anonymous_bytes",
    "file_backed_bytes",
    "first_answer_ms",
    "caching_anonymous_bytes",
    "caching_file_backed_bytes",
    "caching_first_answer_ms",
    "cached_anonymous_bytes",
    "cached_file_backed_bytes",
    "cached_first_answer_ms",
    "weight_cache_bytes",
)
_FORM_COUNTS = ("ops_left", "bytes_by_op_kind", "bytes_by_module", "bytes_of_the_rest")
_SGEMM_FIGURES = ("num_threads", "gflop_per_s", "round_spread")
_TEXTS = ("precision", "variant", "runtime", "reason")


@dataclass(frozen=True)
class BenchmarkRow:
    """One contender at one number of threads; a figure is None where it could not be taken.

    Attributes:
        name: as the table shows it.
        precision: as in its card.
        variant: "rewritten" or "plain"; "network" for PyTorch and ONNX Runtime.
        runtime: what ran it.
        figures: by the names that the document gives them, which end in their units.
        reason: why a figure is missing.
        threads: where the document has several numbers of them.
    """

    name: str
    precision: str | None
    variant: str | None
    runtime: str | None
    figures: Mapping[str, float | None]
    reason: str | None
    threads: int | None = None

    @property
    def label(self) -> str:
        """The name, with what tells it from the same contender's other rows."""
        told = {None: "", 1: ", 1 thread"}
        return self.name + told.get(self.threads, f", {self.threads} threads")


@dataclass(frozen=True)
class BenchmarkForm:
    """One contender, whatever the number of threads: its bytes, ops and memory.

    Attributes:
        counts: whole numbers by what they count, under "ops_left" (ops that XNNPACK leaves, by
            kind), "bytes_by_op_kind", "bytes_by_module" ("a.b.c", "" for the root) and
            "bytes_of_the_rest"; empty where it is no .tflite.
        figures, reason, and the others: as of `BenchmarkRow`.
    """

    name: str
    precision: str | None
    variant: str | None
    runtime: str | None
    figures: Mapping[str, float | None]
    counts: Mapping[str, Mapping[str, int]]
    reason: str | None


@dataclass(frozen=True)
class BenchmarkDocument:
    """Contenders measured side by side.

    Attributes:
        circumstances: as text by name.
        rows: each contender at each number of threads.
        forms: each contender once; none in a document of the first version.
        sgemm: the machine's own speed, "gflop_per_s" by "num_threads"; likewise.
        noise: the usual spread between rounds, as a share; None where it is not known.
    """

    circumstances: Mapping[str, str]
    rows: tuple[BenchmarkRow, ...]
    forms: tuple[BenchmarkForm, ...] = ()
    sgemm: tuple[Mapping[str, float | None], ...] = ()
    noise: float | None = None


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
    return parse_benchmark(document, str(path))


def parse_benchmark(document: Any, place: str) -> BenchmarkDocument:
    """Check the plain values of a benchmark document; `place` is what errors call it.

    Raises:
        BadInputError: of another command or version, or a value is not what its key says.
    """
    if not isinstance(document, dict) or document.get("command") != _COMMAND:
        raise BadInputError(f"{place}: 'command' is not '{_COMMAND}'; {_REMEDY}")
    if document.get("schema_version") not in _READABLE:
        found = document.get("schema_version")
        raise BadInputError(
            f"{place}: 'schema_version' is {found!r}, expected {SCHEMA_VERSION}; {_REMEDY}"
        )
    contenders = _list(document, "contenders", place)
    if not contenders:
        raise BadInputError(f"{place}: 'contenders' is not a list with entries; {_REMEDY}")
    several = len({item.get("num_threads") for item in contenders if isinstance(item, dict)}) > 1
    return BenchmarkDocument(
        _circumstances(document, place),
        tuple(
            _row(item, f"{place}: contenders[{i}]", tell_threads=several)
            for i, item in enumerate(contenders)
        ),
        tuple(
            _form(item, f"{place}: forms[{i}]")
            for i, item in enumerate(_list(document, "forms", place))
        ),
        tuple(
            _figures(item, _SGEMM_FIGURES, f"{place}: sgemm[{i}]")
            for i, item in enumerate(_list(document, "sgemm", place))
        ),
        _checked(document, "round_spread", _is_figure, "a number", place),
    )


def _list(document: Mapping[str, Any], key: str, place: str) -> list[Any]:
    found = document.get(key, [])
    if not isinstance(found, list):
        raise BadInputError(f"{place}: '{key}' is not a list with entries; {_REMEDY}")
    return found


def _circumstances(document: Mapping[str, Any], place: str) -> dict[str, str]:
    machine = document.get("machine", {})
    if not isinstance(machine, dict):
        raise BadInputError(f"{place}: 'machine' is not an object; {_REMEDY}")
    counts = {key: document[key] for key in ("num_threads", "rounds") if key in document}
    return {
        key.replace("_", " "): ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for key, value in {**machine, **counts}.items()
    }


def _row(item: Any, place: str, *, tell_threads: bool) -> BenchmarkRow:
    figures, name = _figures(item, _FIGURES, place), _name(item, place)
    count = figures["num_threads"]
    threads = int(count) if tell_threads and count else None
    return BenchmarkRow(name=name, figures=figures, threads=threads, **_texts(item, place))


def _form(item: Any, place: str) -> BenchmarkForm:
    figures, name = _figures(item, _FORM_FIGURES, place), _name(item, place)
    counts = {}
    for key in _FORM_COUNTS:
        found = item.get(key, {})
        if not isinstance(found, dict):
            raise BadInputError(f"{place}.{key} is {found!r}, expected an object; {_REMEDY}")
        counts[key] = {
            kind: _checked(found, kind, _is_count, "a whole number", f"{place}.{key}") or 0
            for kind in found
        }
    return BenchmarkForm(name=name, figures=figures, counts=counts, **_texts(item, place))


def _name(item: Mapping[str, Any], place: str) -> str:
    if not isinstance(item.get("name"), str):
        raise BadInputError(f"{place}.name is not a text; {_REMEDY}")
    return str(item["name"])


def _texts(item: Mapping[str, Any], place: str) -> dict[str, Any]:
    return {key: _checked(item, key, _is_text, "a text", place) for key in _TEXTS}


def _figures(item: Any, keys: tuple[str, ...], place: str) -> dict[str, float | None]:
    if not isinstance(item, dict):
        raise BadInputError(f"{place} is not an object; {_REMEDY}")
    return {key: _checked(item, key, _is_figure, "a number", place) for key in keys}


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


def _is_count(_key: str, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(_key: str, value: Any) -> bool:
    return isinstance(value, str)
