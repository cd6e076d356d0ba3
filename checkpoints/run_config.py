"""The config of a training run: as plain values, as one hash, and as the difference of two."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import PurePath
from typing import Any

from chunkport.errors import UsageError

_ABSENT = "(absent)"


def plain_config(config: Any) -> dict[str, Any]:
    """A dataclass or mapping as values that JSON holds: tuples become lists, paths become text.

    Raises:
        UsageError: it is neither, or holds something else; the message names the key.
    """
    if config is None:
        return {}
    if is_dataclass(config) and not isinstance(config, type):
        config = asdict(config)
    if not isinstance(config, Mapping):
        raise UsageError(
            f"config: is a {type(config).__name__}; give a dataclass, a dictionary or None"
        )
    return {str(key): _plain(value, str(key)) for key, value in config.items()}


def config_hash(config: Mapping[str, Any], may_change: Collection[str] = ()) -> str:
    """SHA-256 of a plain config's top-level values but those that may change during a run."""
    fixed = {key: value for key, value in config.items() if key not in may_change}
    text = json.dumps(fixed, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def refuse_changed_config(
    origin: str,
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    may_change: Collection[str] = (),
) -> None:
    """Compare the plain config that a checkpoint was trained under with the one to go on with.

    Raises:
        UsageError: they differ in more than what `may_change`; the message shows each difference.
    """
    if config_hash(before, may_change) == config_hash(now, may_change):
        return
    then, today = _flat(before, may_change), _flat(now, may_change)
    changed = [
        f"{name} {then.get(name, _ABSENT)} became {today.get(name, _ABSENT)}"
        for name in sorted(then.keys() | today.keys())
        if then.get(name, _ABSENT) != today.get(name, _ABSENT)
    ]
    raise UsageError(f"{origin}: {'; '.join(changed)}; resume with the values of that run")


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(item, where) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
    raise UsageError(
        f"config: {where} is a {type(value).__qualname__}; use numbers, text, lists or dictionaries"
    )


def _flat(
    config: Mapping[str, Any], may_change: Collection[str] = (), prefix: str = ""
) -> dict[str, str]:
    """Every value as JSON, by its keys joined with dots."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        if key in may_change:
            continue
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, prefix=f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = json.dumps(value)
    return flat
