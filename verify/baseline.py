"""An earlier verdict, read from its JSON, and what has become worse since."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from chunkport.errors import BadInputError
from verify.verdict import Check, Verdict, against_limit, skipped
from wrappers.spec import Limit

Identity: TypeAlias = tuple[str, str, str | None, str]

SCHEMA_VERSION = 1
_COMMAND = "verify"
_REMEDY = "make it with chunkport verify FILES --checkpoint CKPT --output verdict.json"
# What may be lost without a regression: of the way from the earlier value to the limit, and of the
# size. The same file gives the same values on one machine; another CPU rounds otherwise.
_VALUE_SLACK = 0.1
_SIZE_SLACK = 0.01
_SIZE = "bytes of the file; 1% more than the baseline's is allowed"
_LATENCY = "median milliseconds of a run; the baseline's times --baseline-latency is allowed"
_VALUE = "as the row without 'baseline_'; a tenth of the way to its limit is allowed"
_MATCH = "the baseline holds this file: its model, precision, variant and options"


@dataclass(frozen=True)
class Earlier:
    """One file of the earlier verdict.

    Attributes:
        identity: model, precision, variant and options.
        values: of its rows by name; None where one was infinite or could not be measured.
        limited: the names of the rows that were held to a limit.
        asked: the number of samples and their seed.
        asked_sha256: of these, the pictures and the marks; None where an older chunkport wrote it.
    """

    identity: Identity
    size_bytes: int
    latency_p50_ms: float | None
    values: Mapping[str, float | None]
    limited: frozenset[str]
    asked: tuple[int, int]
    asked_sha256: str | None


@dataclass(frozen=True)
class Baseline:
    """The earlier verdict; `cpu` is what its latencies were taken on, None without any."""

    path: Path
    files: Sequence[Earlier]
    cpu: str | None

    def find(self, verdict: Verdict) -> Earlier | None:
        """The file that is of the same kind as the one judged."""
        options = json.dumps(verdict.to_json()["options"], sort_keys=True)
        identity = verdict.model, verdict.precision, verdict.variant, options
        return next((file for file in self.files if file.identity == identity), None)


def read_baseline(path: Path) -> Baseline:
    """Read and check what `chunkport verify --output` wrote.

    Raises:
        BadInputError: no such file, not JSON, of another command or version, or a value that is
            not what its key says.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror}); {_REMEDY}") from error
    except (ValueError, RecursionError) as error:  # of the JSON and of the UTF-8 alike
        raise BadInputError(f"{path}: not JSON ({error}); {_REMEDY}") from error
    if not isinstance(document, dict) or document.get("command") != _COMMAND:
        raise BadInputError(f"{path}: 'command' is not '{_COMMAND}'; {_REMEDY}")
    if document.get("schema_version") != SCHEMA_VERSION:
        found = document.get("schema_version")
        raise BadInputError(
            f"{path}: 'schema_version' is {found!r}, expected {SCHEMA_VERSION}; {_REMEDY}"
        )
    items = document.get("files")
    if not isinstance(items, list) or not items:
        raise BadInputError(f"{path}: 'files' is not a list with entries; {_REMEDY}")
    files = [_file(item, f"{path}: files[{number}]") for number, item in enumerate(items)]
    identities = [file.identity for file in files]
    for identity in identities:
        if identities.count(identity) > 1:
            raise BadInputError(
                f"{path}: holds several files of {identity[0]} {identity[1]}, which cannot be told "
                "apart; make one with a file of each kind"
            )
    machine = document.get("machine")
    cpu = machine.get("cpu") if isinstance(machine, dict) else None
    return Baseline(path, files, cpu if isinstance(cpu, str) else None)


def _file(item: Any, place: str) -> Earlier:
    if not isinstance(item, dict):
        raise BadInputError(f"{place} is not an object; {_REMEDY}")

    def read(key: str, *kinds: type) -> Any:
        value = item.get(key)
        possible = isinstance(value, kinds) and not isinstance(value, bool)
        if not possible or (isinstance(value, int) and not _is_number(value)):
            raise BadInputError(f"{place}.{key} is {value!r}, which cannot be; {_REMEDY}")
        return value

    values, limited = {}, set()
    for number, row in enumerate(read("checks", list)):
        name, value = (row.get("name"), row.get("value")) if isinstance(row, dict) else (None, None)
        if not isinstance(name, str) or not (value is None or _is_number(value)):
            raise BadInputError(f"{place}.checks[{number}] is no row of a verdict; {_REMEDY}")
        values[name] = value
        if _is_number(row.get("limit")):
            limited.add(name)
    options = json.dumps(read("options", dict), sort_keys=True)
    variant, latency = read("variant", str, type(None)), item.get("latency_p50_ms")
    if not (latency is None or (_is_number(latency) and latency > 0)):
        raise BadInputError(f"{place}.latency_p50_ms is {latency!r}, which cannot be; {_REMEDY}")
    return Earlier(
        identity=(read("model", str), read("precision", str), variant, options),
        size_bytes=read("size_bytes", int),
        latency_p50_ms=latency,
        values=values,
        limited=frozenset(limited),
        asked=(read("samples", int), read("seed", int)),
        asked_sha256=digest if isinstance(digest := item.get("asked_sha256"), str) else None,
    )


def _is_number(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond all floats
        return False


def latency_bounds(
    verdicts: Sequence[Verdict], baseline: Baseline | None, factor: float
) -> dict[Path, float]:
    """By file, the milliseconds above which it has regressed; none without a baseline."""
    bounds = {}
    for verdict in verdicts if baseline else ():
        earlier = baseline.find(verdict) if baseline else None
        if earlier is not None and earlier.latency_p50_ms is not None:
            bounds[verdict.path] = factor * earlier.latency_p50_ms
    return bounds


def with_regressions(
    verdicts: Sequence[Verdict], baseline: Baseline, latency_factor: float, cpu: str
) -> list[Verdict]:
    """Each verdict with rows that compare it with the baseline, measured on this `cpu`."""
    return [
        replace(
            item,
            checks=(*item.checks, *regression_checks(item, baseline, latency_factor, cpu)),
        )
        for item in verdicts
    ]


def regression_checks(
    verdict: Verdict, baseline: Baseline, latency_factor: float, cpu: str
) -> Iterator[Check]:
    """A row for the size, the latency and every limited value: is it worse than it was?"""
    earlier = baseline.find(verdict)
    if earlier is None:
        held = ", ".join(f"{file.identity[0]} {file.identity[1]}" for file in baseline.files)
        yield skipped("baseline", _MATCH, f"it does not; it holds {held}")
        return
    most = earlier.size_bytes * (1 + _SIZE_SLACK)
    limit = Limit("size_bytes", most, "at_most")
    yield _compared(limit, _SIZE, verdict.size_bytes, earlier.size_bytes)
    yield _latency(verdict, earlier, latency_factor, (baseline.cpu, cpu))
    for check in verdict.checks:
        if check.limit is not None:
            yield _value(verdict, earlier, check)
        elif check.value is None and check.name in earlier.limited:
            yield _left_out(check.name, _VALUE, "the row without 'baseline_' has no value now")


def _latency(
    verdict: Verdict, earlier: Earlier, factor: float, cpus: tuple[str | None, str]
) -> Check:
    name = "latency_p50_ms"
    before, now = earlier.latency_p50_ms, verdict.latency_p50_ms
    if before is None:
        return _left_out(name, _LATENCY, "the baseline was made without --latency")
    if now is None:
        return _left_out(name, _LATENCY, "not measured; add --latency")
    if cpus[0] != cpus[1]:
        return _left_out(name, _LATENCY, f"the baseline is of another CPU ({cpus[0]})")
    return _compared(Limit(name, factor * before, "at_most"), _LATENCY, now, before)


def _value(verdict: Verdict, earlier: Earlier, check: Check) -> Check:
    """One metric against what it was; `check` holds its limit."""
    assert check.limit is not None
    assert check.sense is not None
    assert check.value is not None
    if earlier.asked != (verdict.samples, verdict.seed):
        samples, seed = earlier.asked
        reason = f"the baseline is of other inputs ({samples} samples, seed {seed})"
        return _left_out(check.name, _VALUE, reason)
    if earlier.asked_sha256 not in (None, verdict.asked_sha256):
        reason = "the baseline is of other pictures, attacks or marks"
        return _left_out(check.name, _VALUE, reason)
    if check.name not in earlier.values:
        return _left_out(check.name, _VALUE, "the baseline has no such row")
    before = earlier.values[check.name]
    if before is None:
        return _left_out(check.name, _VALUE, "the baseline's value was not finite")
    slack = _VALUE_SLACK * abs(check.limit - before)
    bound = before + slack if check.sense == "at_most" else before - slack
    return _compared(Limit(check.name, bound, check.sense), _VALUE, check.value, before)


def _compared(limit: Limit, meaning: str, now: float, before: float) -> Check:
    check = against_limit(f"baseline_{limit.metric}", meaning, now, limit)
    if now == before:
        return replace(check, detail="as the baseline")
    better = now < before if limit.sense == "at_most" else now > before
    told = "better" if better else "worse"
    return replace(check, detail=f"{told} than the baseline's {before:.6g}")


def _left_out(name: str, meaning: str, reason: str) -> Check:
    return skipped(f"baseline_{name}", meaning, reason)
