"""What Node and Chromium share: a session in LiteRT.js, asked and answering in frames."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convert.tflite import dtype_of, read_flatbuffer
from verify.runtimes.frames import decode, encode

if TYPE_CHECKING:
    from wrappers.spec import Arrays

SCRIPTS = Path(__file__).resolve().parent / "javascript"
MISSING_LITERT_JS = (
    "LiteRT.js is not here; npm install @litertjs/core, in this folder or one above it"
)
# The only types of inputs and outputs that it has arrays for.
FED = ("float32", "int32", "uint8")


def unfit(path: Path) -> str | None:
    """Why it cannot run the file: an input or output of a type that it neither takes nor gives.

    Raises:
        BadInputError: it is no .tflite, or a damaged one.
    """
    model = read_flatbuffer(path)
    graph = model.subgraphs[0]
    types = {dtype_of(graph.tensors[index]) for index in (*graph.inputs, *graph.outputs)}
    return cannot_feed({"of no NumPy type" if kind is None else kind.__name__ for kind in types})


def cannot_feed(types: Collection[str]) -> str | None:
    """What speaks against inputs and outputs of these types; None where nothing does."""
    odd = sorted(set(types) - set(FED))
    if not odd:
        return None
    return (
        f"LiteRT.js feeds and reads {', '.join(FED)} alone, and this model's inputs or outputs are "
        f"{', '.join(odd)}"
    )


class LiteRtJsSession:
    """A .tflite in LiteRT.js.

    Raises:
        RuntimeError: it refuses the file, or the program that it runs in came to an end.
    """

    def __init__(self, path: Path, ask: Callable[[bytes], bytes]) -> None:
        self._ask_frame = ask
        opened, _ = self._ask({"ask": "open", "path": str(path.resolve())})
        self.init_ms: float = opened["init_ms"]
        self._inputs, self._outputs = (
            {item["name"]: tuple(item["shape"]) for item in opened[side]}
            for side in ("inputs", "outputs")
        )

    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of its inputs, by name."""
        return dict(self._inputs)

    def output_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of its outputs, by name."""
        return dict(self._outputs)

    def run(self, inputs: "Arrays") -> "Arrays":
        """Outputs by name for inputs by name."""
        _, outputs = self._ask({"ask": "run"}, inputs)
        return outputs

    def time_runs(self, inputs: "Arrays", runs: int) -> list[float]:
        """Milliseconds of each run, from inputs in wasm's memory to outputs in JavaScript's."""
        answer, _ = self._ask({"ask": "time", "runs": runs}, inputs)
        times: list[float] = answer["latencies_ms"]
        return times

    def _ask(
        self, header: dict[str, Any], inputs: "Arrays | None" = None
    ) -> "tuple[dict[str, Any], Arrays]":
        answer, tensors = decode(self._ask_frame(encode(header, inputs)))
        if "error" in answer:
            raise RuntimeError(f"LiteRT.js: {answer['error']}")
        return answer, tensors
