"""Run a bundle's golden inputs through its model: exit code 0 where all is as expected, 1 if not.

    python run_goldens.py [FOLDER] [--num-threads N]

It needs ai-edge-litert, numpy and pillow, and nothing else.
"""

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

INDEX = "goldens/index.json"
PREPROCESSING = "preprocessing.json"
_FAILED = 1

Values = NDArray[np.float32]
Joined = NDArray[np.float64]  # the outputs of one golden side by side
Scales = Mapping[str, float]
Run = Callable[[Mapping[str, Values]], Mapping[str, Values]]


@dataclass(frozen=True)
class Row:
    """One comparison: what was measured, and the limit that it is held to.

    Attributes:
        golden: its name; "model" for the file as a whole.
        check: what was compared.
        value: what was measured; None for a yes or no.
        limit: of the value.
        passed: whether it holds.
        note: what else there is to say.
    """

    golden: str
    check: str
    value: float | None
    limit: str
    passed: bool
    note: str = ""


def rows_of(folder: Path, run: Run | None = None, threads: int = 2) -> Iterator[Row]:
    """Every comparison of the bundle, by `run` or else by LiteRT."""
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    model = folder / index["model"]["file"]
    digest = _sha256_of(model)
    same = digest == index["model"]["sha256"]
    yield Row("model", "sha256", None, "the file that was bundled", same, digest[:12])
    try:
        run = run or load_model(model, threads)
    except (ValueError, RuntimeError) as error:
        yield Row("model", "loads", None, "opens in the runtime", passed=False, note=str(error))
        return
    contract = json.loads((folder / PREPROCESSING).read_text(encoding="utf-8"))
    names = [item["name"] for item in index["outputs"]]
    shares: dict[str, list[float]] = {}
    for golden in index["goldens"]:
        inputs = read_values(folder, index["inputs"], golden["inputs"])
        if golden["picture"]:
            name, tensor = contract["input"], picture_tensor(folder / golden["picture"], contract)
            most = contract["tensor_tolerance"]["max_abs_difference"]
            value = float(np.abs(tensor - inputs[name]).max())
            yield Row(golden["name"], "picture to tensor", value, f"<= {most:g}", value <= most)
            inputs = {name: tensor}
        try:
            found = run(inputs)
        except (ValueError, RuntimeError) as error:
            yield Row(golden["name"], "runs", None, "computes", passed=False, note=str(error))
            continue
        expected = read_values(folder, index["outputs"], golden["outputs"])
        for limit in index["limits"]:
            value = METRICS[limit["metric"]](
                joined(expected, names), joined(found, names), index["scales"]
            )
            if limit["metric"] in OVER_ALL:
                shares.setdefault(limit["metric"], []).append(value)
            else:
                yield _held(golden["name"], limit, value)
    for limit in index["limits"]:
        if limit["metric"] in shares:
            value = OVER_ALL[limit["metric"]](np.array(shares[limit["metric"]]))
            yield _held("all together", limit, value)


def _held(golden: str, limit: Mapping[str, Any], value: float) -> Row:
    least = limit["sense"] == "at_least"
    passed = value >= limit["bound"] if least else value <= limit["bound"]
    text = f"{'>=' if least else '<='} {limit['bound']:g}"
    return Row(golden, limit["metric"], value, text, bool(passed))


def load_model(path: Path, threads: int) -> Run:
    """The model in the LiteRT interpreter; outputs by name for inputs by name.

    Integers that stand for fractions, by a scale and the integer for 0, go in and out as these.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    runner = interpreter.get_signature_runner()
    into, out = runner.get_input_details(), runner.get_output_details()

    def run(inputs: Mapping[str, Values]) -> Mapping[str, Values]:
        found = runner(**{name: _narrowed(values, into[name]) for name, values in inputs.items()})
        return {name: _widened(values, out[name]) for name, values in found.items()}

    return run


def _narrowed(values: Values, detail: Mapping[str, Any]) -> np.ndarray[Any, Any]:
    scale, zero = detail["quantization"]
    if not scale:
        return values
    ends = np.iinfo(detail["dtype"])
    steps = np.rint(values / np.float32(scale)) + zero
    whole: np.ndarray[Any, Any] = np.clip(steps, ends.min, ends.max).astype(detail["dtype"])
    return whole


def _widened(values: np.ndarray[Any, Any], detail: Mapping[str, Any]) -> Values:
    scale, zero = detail["quantization"]
    if not scale:
        return values
    exact: Values = (values.astype(np.float32) - zero) * np.float32(scale)
    return exact


def read_values(
    folder: Path, tensors: list[dict[str, Any]], files: Mapping[str, str]
) -> dict[str, Values]:
    """Tensors by name: raw little-endian float32, in rows, as shaped in the index."""
    found = {}
    for tensor in tensors:
        flat = np.frombuffer((folder / files[tensor["name"]]).read_bytes(), dtype="<f4")
        found[tensor["name"]] = flat.reshape(tensor["shape"]).astype(np.float32)
    return found


def picture_tensor(path: Path, contract: Mapping[str, Any]) -> Values:
    """A picture of any size as the model's input, as preprocessing.json asks.

    Pillow's bilinear resize of floats averages over all that a new pixel covers, as it should.
    """
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    values = pixels.astype(np.float32) / np.float32(contract["divide_by"])
    size = (contract["resize"]["width"], contract["resize"]["height"])
    if (values.shape[1], values.shape[0]) != size:
        planes = [Image.fromarray(np.ascontiguousarray(values[..., c])) for c in range(3)]
        resized = [np.asarray(plane.resize(size, Image.Resampling.BILINEAR)) for plane in planes]
        values = np.stack(resized, axis=-1)
    if contract["layout"] == "nchw":
        values = values.transpose(2, 0, 1)
    return np.ascontiguousarray(values[None], dtype=np.float32)


def _sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def joined(values: Mapping[str, Values], names: list[str]) -> Joined:
    """The outputs of one golden side by side, in order."""
    return np.concatenate([values[name].ravel() for name in names]).astype(np.float64)


def _max_abs(expected: Joined, found: Joined, _scales: Scales) -> float:
    return float(np.abs(expected - found).max())


def _mean_abs(expected: Joined, found: Joined, _scales: Scales) -> float:
    return float(np.abs(expected - found).mean())


def _psnr_db(expected: Joined, found: Joined, scales: Scales) -> float:
    error = float(np.square(expected - found).mean())
    return math.inf if error == 0 else 10 * math.log10(scales["span"] ** 2 / error)


def _of_largest(expected: Joined, found: Joined, scales: Scales) -> float:
    return float(np.abs(expected - found).max()) / scales["largest"]


def _relative_l2(expected: Joined, found: Joined, scales: Scales) -> float:
    return float(np.linalg.norm(found - expected)) / scales["norm"]


def _surest_bit(expected: Joined, found: Joined, scales: Scales) -> float:
    """The first value says whether there is a message, the others are its bits."""
    if np.isnan(found[1:]).any():
        return math.nan
    flipped = (expected[1:] > 0) != (found[1:] > 0)
    return float(np.where(flipped, np.abs(expected[1:]), 0.0).max()) / scales["bits_rms"]


# Of the limits of a model, those that hold for few inputs as for many. The scales are those of all
# expected outputs together, as a verdict has them.
METRICS: Mapping[str, Callable[[Joined, Joined, Scales], float]] = {
    "max_abs_difference": _max_abs,
    "mean_abs_difference": _mean_abs,
    "worst_psnr_db": _psnr_db,
    "max_difference_of_largest": _of_largest,
    "relative_l2": _relative_l2,
    "surest_bit_flipped": _surest_bit,
}
# Held for all goldens together, from what each has.
OVER_ALL: Mapping[str, Callable[[Joined], float]] = {
    "mean_abs_difference": lambda each: float(each.mean()),
    "relative_l2": lambda each: float(np.sqrt(np.square(each).mean())),
}


def main() -> int:
    """Print every comparison, then PASS or FAIL."""
    parser = argparse.ArgumentParser(description="Run the golden inputs through the model.")
    here = Path(__file__).resolve().parent
    parser.add_argument("folder", nargs="?", type=Path, default=here, help="the bundle")
    parser.add_argument("--num-threads", type=int, default=2, help="of the runtime")
    arguments = parser.parse_args()
    try:
        rows = list(rows_of(arguments.folder, threads=arguments.num_threads))
    except (OSError, ValueError, KeyError) as error:
        sys.stderr.write(f"{arguments.folder}: is no whole bundle ({error}); make it again\n")
        return _FAILED
    for row in rows:
        value = "" if row.value is None else f"{row.value:.4g}"
        mark = "pass" if row.passed else "FAIL"
        line = f"{mark}  {row.golden:<16} {row.check:<26} {value:>10}  {row.limit}  {row.note}"
        sys.stdout.write(line.rstrip() + "\n")
    failed = sum(not row.passed for row in rows)
    conclusion = f"FAIL: {failed} of {len(rows)}" if failed else f"PASS: {len(rows)}"
    sys.stdout.write(f"{conclusion} comparisons\n")
    return _FAILED if failed else 0


if __name__ == "__main__":
    sys.exit(main())
