"""The widths of ops without weights between wider ones: those of what lies around them.

In 8 bits a RESHAPE or a sum between two ops in float would gain nothing, as it would first be
rounded and then widened again, and lose the values between them: a variance, for one.
"""

from collections.abc import Callable
from typing import Any

from convert.quantization.op_widths import WEIGHT_AT
from convert.tflite import op_kind

FLOAT = "float32"
_ORDER = ("int8", "int16", FLOAT)  # from the narrowest

# Kind of op and its scope to the width of its activations, and whether a rule for all says so.
WidthOf = Callable[[str, str], tuple[str, bool]]


def inherited_widths(model: Any, width_of: WidthOf, width_of_io: str) -> dict[str, str]:
    """The width of each op that inherits one, by scope, where it is other than its own.

    Ops inherit that have no weights and no rule of their own. Those of them that hand values to
    each other are as wide as the widest op before them, or after them if that is less.

    Args:
        model: a flatbuffer's object tree.
        width_of: "int8", "int16" or "float32", by the recipe.
        width_of_io: of the model's inputs and outputs.
    """
    found = {}
    for subgraph in model.subgraphs:
        graph = _Graph(model, subgraph, width_of, width_of_io)
        for group in graph.groups():
            width = graph.fitting(group)
            for op in group:
                if width is not None and width != graph.width(op):
                    found[graph.scope(op)] = width
    return found


class _Graph:
    """A subgraph's ops, by their places, and who makes and takes each of its tensors."""

    def __init__(self, model: Any, subgraph: Any, width_of: WidthOf, width_of_io: str) -> None:
        self._ops = subgraph.operators
        self._names = [tensor.name.decode(errors="replace") for tensor in subgraph.tensors]
        self._kinds = [op_kind(model, op) for op in self._ops]
        self._width_of, self._width_of_io = width_of, width_of_io
        self._ends = {int(index) for index in subgraph.outputs}
        self._begins = {int(index) for index in subgraph.inputs}
        self._maker: dict[int, int] = {}
        self._takers: dict[int, list[int]] = {}
        for place, op in enumerate(self._ops):
            self._maker |= {int(index): place for index in op.outputs}
            for index in op.inputs:
                self._takers.setdefault(int(index), []).append(place)

    def groups(self) -> list[list[int]]:
        """The ops that inherit, those together that hand values to each other."""
        groups: list[list[int]] = []
        seen: set[int] = set()
        for place in range(len(self._kinds)):
            if not self._inherits(place) or place in seen:
                continue
            group: list[int] = []
            waiting = [place]
            while waiting:
                at = waiting.pop()
                if at not in seen:
                    seen.add(at)
                    group.append(at)
                    beside = [*self._makers(at), *self._takers_of(at)]
                    waiting += filter(self._inherits, beside)
            groups.append(group)
        return groups

    def fitting(self, group: list[int]) -> str | None:
        """The width of what the group is given, or of what is asked of it if that is less."""
        given, asked = set(), set()
        for place in group:
            given |= {self.width(other) for other in self._makers(place) if other not in group}
            asked |= {self.width(other) for other in self._takers_of(place) if other not in group}
            if self._begins.intersection(map(int, self._ops[place].inputs)):
                given.add(self._width_of_io)
            if self._ends.intersection(map(int, self._ops[place].outputs)):
                asked.add(self._width_of_io)
        if not given or not asked:
            return None
        return min(max(given, key=_ORDER.index), max(asked, key=_ORDER.index), key=_ORDER.index)

    def width(self, place: int) -> str:
        """What the recipe says of one op."""
        return self._width_of(self._kinds[place], self.scope(place))[0]

    def scope(self, place: int) -> str:
        """The op's name, as the quantizer searches it."""
        return "".join(f"{self._names[int(index)]};" for index in self._ops[place].outputs)

    def _inherits(self, place: int) -> bool:
        kind = self._kinds[place]
        return kind not in WEIGHT_AT and self._width_of(kind, self.scope(place))[1]

    def _makers(self, place: int) -> list[int]:
        inputs = map(int, self._ops[place].inputs)
        return [self._maker[index] for index in inputs if index in self._maker]

    def _takers_of(self, place: int) -> list[int]:
        outputs = map(int, self._ops[place].outputs)
        return [taker for index in outputs for taker in self._takers.get(index, ())]
