"""What was measured, as the plain values of the benchmark document."""

from collections import Counter
from typing import Any

from verify.benchmark.contenders import Contender
from verify.benchmark.measure import Benchmark, Form, Measured
from verify.benchmark.memory import MemoryUse
from verify.runtimes import LITERT
from verify.weight_map import weights_by_module


def timing_rows(benchmark: Benchmark) -> list[dict[str, Any]]:
    """A row for each contender at each number of threads."""
    return [_timing(row) for row in benchmark.rows]


def form_rows(benchmark: Benchmark) -> list[dict[str, Any]]:
    """A row for each contender: what no number of threads changes."""
    return [_form(form) for form in benchmark.forms]


def sgemm_rows(benchmark: Benchmark) -> list[dict[str, Any]]:
    """A row for each number of threads: the machine's own speed."""
    return [
        {
            "num_threads": threads,
            "gflop_per_s": benchmark.sgemm_gflop_per_s(threads),
            "round_spread": times.spread,
        }
        for threads, times in benchmark.sgemm.items()
    ]


def _timing(row: Measured) -> dict[str, Any]:
    times, used = row.times, row.form.footprint.plain
    return {
        **_identity(row.form.contender),
        "num_threads": row.threads,
        "size_bytes": row.form.size_bytes,
        "latency_p50_ms": times.p50_ms if times else None,
        "latency_p90_ms": times.p90_ms if times else None,
        "latency_min_ms": times.min_ms if times else None,
        "round_spread": times.spread if times else None,
        "speed_vs_pytorch": row.speed_vs_pytorch,
        "speed_vs_plain": row.speed_vs_plain,
        "gflop_per_s": row.gflop_per_s,
        "share_of_sgemm": row.share_of_sgemm,
        "peak_memory_bytes": used.anonymous_bytes + used.file_backed_bytes if used else None,
        "psnr_db": row.form.psnr_db,
        "reason": row.reason or row.form.footprint.reason,
    }


def _form(form: Form) -> dict[str, Any]:
    footprint, taken = form.footprint, form.delegation
    return {
        **_identity(form.contender),
        "size_bytes": form.size_bytes,
        "psnr_db": form.psnr_db,
        "gflop": None if form.flop is None else form.flop / 1e9,
        "ops": taken.ops if taken else None,
        "ops_on_xnnpack": taken.ops_on_xnnpack if taken else None,
        "share_of_ops_on_xnnpack": taken.ops_on_xnnpack / taken.ops if taken else None,
        "share_of_gflop_on_xnnpack": taken.flop_on_xnnpack / taken.flop
        if taken and taken.flop
        else None,
        "xnnpack_partitions": taken.partitions if taken else None,
        "ops_left": taken.left if taken else {},
        **_memory("", footprint.plain),
        **_memory("caching_", footprint.first),
        **_memory("cached_", footprint.cached),
        "weight_cache_bytes": footprint.cache_bytes,
        **_sizes(form.contender),
        "reason": footprint.reason,
    }


def _identity(item: Contender) -> dict[str, Any]:
    return {
        "name": item.name,
        "runtime": item.runtime,
        "precision": item.precision,
        "variant": item.variant,
    }


def _memory(prefix: str, used: MemoryUse | None) -> dict[str, Any]:
    return {
        f"{prefix}anonymous_bytes": used.anonymous_bytes if used else None,
        f"{prefix}file_backed_bytes": used.file_backed_bytes if used else None,
        f"{prefix}first_answer_ms": used.first_answer_ms if used else None,
    }


def _sizes(item: Contender) -> dict[str, Any]:
    """Every byte of a .tflite by the op that reads it, and again by the module that it is of."""
    if item.path is None or item.runtime != LITERT:
        return {"bytes_by_op_kind": {}, "bytes_by_module": {}, "bytes_of_the_rest": {}}
    found = weights_by_module(item.path)
    modules: Counter[str] = Counter()
    for part in found.parts:
        modules[".".join(part.module)] += part.size_bytes
    return {
        "bytes_by_op_kind": found.by_op_kind(),
        "bytes_by_module": dict(modules.most_common()),
        "bytes_of_the_rest": dict(found.rest),
    }
