"""Which ops of a .tflite XNNPACK takes; the rest fall back to slower kernels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify.benchmark.arithmetic import flop_per_op
from verify.runtimes.litert import LiteRtSession

_DELEGATE = "DELEGATE"


@dataclass(frozen=True)
class Delegation:
    """How much of a file runs on XNNPACK.

    Attributes:
        ops: of the main subgraph.
        ops_on_xnnpack: of these, those that it takes.
        partitions: how many pieces they lie in; between two, values pass through memory.
        flop: of one run, as `flop_per_op` counts.
        flop_on_xnnpack: of the ops that it takes.
        left: the ops that it leaves, by kind.
    """

    ops: int
    ops_on_xnnpack: int
    partitions: int
    flop: int
    flop_on_xnnpack: int
    left: dict[str, int]


def delegation(path: Path, session: LiteRtSession) -> Delegation:
    """Read off the loaded session which ops its delegate has taken."""
    nodes = session.nodes()
    ops = [node for node in nodes if node["op_name"] != _DELEGATE]
    pieces = [node for node in nodes if node["op_name"] == _DELEGATE]
    taken = set[int]()
    producers = {int(index): op for op in ops for index in op["outputs"]}
    for piece in pieces:
        taken |= _inside(piece, producers)
    flop = flop_per_op(path)
    left = [op["op_name"] for op in ops if op["index"] not in taken]
    return Delegation(
        ops=len(ops),
        ops_on_xnnpack=len(taken),
        partitions=len(pieces),
        flop=sum(flop),
        flop_on_xnnpack=sum(flop[index] for index in taken),
        left={kind: left.count(kind) for kind in sorted(set(left))},
    )


def _inside(piece: dict[str, Any], producers: dict[int, dict[str, Any]]) -> set[int]:
    """The ops that a delegate stands for: all between its inputs and its outputs."""
    given = {int(index) for index in piece["inputs"]}
    found = set[int]()
    wanted = [int(index) for index in piece["outputs"]]
    while wanted:
        index = wanted.pop()
        op = producers.get(index)
        if index in given or op is None or op["index"] in found:
            continue
        found.add(op["index"])
        wanted += [int(source) for source in op["inputs"]]
    return found
