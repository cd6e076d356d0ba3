"""Every model in every runtime: the same answers, or a row that says what is wrong."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chunkport.errors import MissingDependencyError, UsageError
from convert.pipeline import convert_checkpoint
from verify.reference import compute_reference
from verify.runtime_agreement import Agreement, choose_runtimes, compare_runtimes
from verify.runtimes import RUNTIMES, Runtime, find_runtime
from verify.runtimes.litert import LiteRtSession
from verify.subject import identify
from wrappers.registry import model_names
from wrappers.spec import BuildOptions

Case = Callable[[str], Any]
PRECISIONS = ("fp32", "fp16", "int8-dynamic")
# The network's kind at a small size, of each model that is too large for tests.
SMALL = {
    "chunkyseal": "convnext_stride2",
    "pixelseal": "convnext_stride4",
    "videoseal-0.0": "vit",
    "videoseal-1.0": "convnext_stride4",
}
AS_PUBLISHED = {"gan-generator": "generator_checkpoint", "tinyseal": "tinyseal_checkpoint"}


def compare(
    path: Path, checkpoint: Path, runtimes: tuple[Runtime, ...], samples: int = 2
) -> list[Agreement]:
    subject = identify(path)
    reference = compute_reference(
        subject.model, checkpoint, samples=samples, seed=3, options=subject.options
    )
    session = LiteRtSession(path, threads=1)
    outputs = [session.run(item) for item in reference.inputs]
    return compare_runtimes(subject, reference, outputs, runtimes, threads=1)


@pytest.mark.integration
@pytest.mark.parametrize("model", model_names())
def test_every_model_answers_the_same_in_every_runtime(
    model: str, request: pytest.FixtureRequest, named_detector_case: Case, tmp_path: Path
) -> None:
    options = BuildOptions()
    if model in AS_PUBLISHED:
        checkpoint = request.getfixturevalue(AS_PUBLISHED[model])
    else:
        checkpoint, card = named_detector_case(SMALL[model]).save(tmp_path)
        options = BuildOptions(model_card=card.read_text() + "\n")
    made = convert_checkpoint(
        checkpoint, model, PRECISIONS, tmp_path / "out", options=options, isolated=False
    )
    rows = [row for file in made.files for row in compare(file.path, checkpoint, RUNTIMES)]
    assert len(rows) == len(PRECISIONS) * len(RUNTIMES)
    assert [row for row in rows if row.agrees is False] == []
    for row in rows:
        if row.agrees:
            assert row.latency_p50_ms is not None
            assert row.latency_p50_ms > 0
        if row.agrees and row.tolerance is not None:
            assert (row.psnr_db is None) == (model != "gan-generator")
            assert (row.bits_flipped is None) == (model == "gan-generator")
    if skipped := {f"{row.runtime}: {row.reason}" for row in rows if row.agrees is None}:
        pytest.skip("; ".join(sorted(skipped)))


@pytest.mark.full_scale
@pytest.mark.parametrize("model", ["videoseal-1.0", "videoseal-0.0"])
def test_the_public_detectors_answer_the_same_at_their_full_size(
    model: str, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "made.pth"
    command = [sys.executable, "-m", "benchmarks.made_weights", model, "-o", str(checkpoint)]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True)
    made = convert_checkpoint(checkpoint, model, PRECISIONS, tmp_path / "out")
    for file in made.files:
        rows = compare(file.path, checkpoint, choose_runtimes(["all"]))
        assert [row for row in rows if not row.agrees] == []


# A package in place of @litertjs/core that does something to the outputs of the real one.
ALTERED = """
import * as real from "REAL";
export * from "REAL";
export async function loadAndCompile(...given) {
  const model = await real.loadAndCompile(...given);
  return {
    getInputDetails: () => model.getInputDetails(),
    getOutputDetails: () => model.getOutputDetails(),
    run: async (inputs) => {
      const outputs = await model.run(inputs);
      const altered = ([name, tensor]) => [name, {
        data: async () => (await tensor.data()).map((value) => ALTER),
        delete: () => tensor.delete(),
      }];
      return Object.fromEntries(Object.entries(outputs).map(altered));
    },
  };
}
"""


@pytest.mark.integration
@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        ("value * 1.05", "0.05 from LiteRT's outputs, at most 0.0001 is stated"),
        ("value + 1e-3", "from LiteRT's outputs, at most 0.0001 is stated"),
        ("-value", "2 from LiteRT's outputs, at most 0.0001 is stated"),
        ("NaN", "nan from LiteRT's outputs, at most 0.0001 is stated"),
        ("{ throw new Error('no memory') }", "LiteRT.js: no memory"),
    ],
)
def test_another_answer_is_told_with_how_far_off_it_is(
    generator_tflites: dict[str, Path],
    generator_checkpoint: Path,
    alter_litert_js: Callable[[str], None],
    alter: str,
    reason: str,
) -> None:
    alter_litert_js(alter)
    (row,) = compare(generator_tflites["fp32"], generator_checkpoint, (find_runtime("node"),))
    assert row.agrees is False
    assert row.reason is not None
    assert row.reason.endswith(reason)


@pytest.fixture
def alter_litert_js(
    litert_js: Path,
    node_path: Path,  # noqa: ARG001 - what runs it
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], None]:
    """An expression of `value`, which LiteRT.js from then on makes of every value that it gives."""

    def alter(expression: str) -> None:
        (tmp_path / "dist").mkdir()
        (tmp_path / "wasm").symlink_to(litert_js / "wasm", target_is_directory=True)
        real = (litert_js / "dist" / "index.js").as_uri()
        text = ALTERED.replace("REAL", real).replace("ALTER", expression)
        (tmp_path / "dist" / "index.js").write_text(text)
        (tmp_path / "package.json").write_text('{"type": "module"}')
        monkeypatch.setenv("CHUNKPORT_LITERT_JS", str(tmp_path))

    return alter


@pytest.mark.integration
def test_what_could_not_run_is_a_row_with_its_reason(
    generator_tflites: dict[str, Path],
    generator_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("verify.runtimes.node.find_node", lambda: None)
    (row,) = compare(generator_tflites["fp32"], generator_checkpoint, (find_runtime("node"),))
    assert (row.agrees, row.reason) == (
        None,
        "there is no Node 20 or newer on the PATH; install one",
    )
    subject = identify(generator_tflites["fp32"])
    reference = compute_reference(subject.model, generator_checkpoint, samples=1, seed=0)
    (row,) = compare_runtimes(subject, reference, None, (find_runtime("litert"),), threads=1)
    assert (row.agrees, row.reason) == (None, "there are no outputs of LiteRT to compare with")


def test_litert_is_beside_the_runtimes_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verify.runtimes.node.find_node", lambda: None)
    assert choose_runtimes(()) == ()
    names = [row.name for row in choose_runtimes(("litert-builtin", "litert-builtin"))]
    assert names == ["litert", "litert-builtin"]
    assert choose_runtimes(("all",)) == RUNTIMES
    with pytest.raises(MissingDependencyError, match="--runtime node: there is no Node 20"):
        choose_runtimes(("all", "node"))
    with pytest.raises(UsageError, match="unknown runtime 'tensorflo'"):
        choose_runtimes(("tensorflo",))


def test_a_variable_that_names_no_program_is_told_before_the_long_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHUNKPORT_CHROMIUM", str(tmp_path))
    with pytest.raises(UsageError, match="CHUNKPORT_CHROMIUM"):
        choose_runtimes(("all",))


def test_a_tensorflow_that_cannot_be_imported_lacks_something(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "tensorflow.py").write_text("raise ImportError('libcuda.so: no such file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    said = find_runtime("tensorflow").missing()
    assert said is not None
    assert "libcuda.so" in said


@pytest.mark.integration
def test_a_file_of_integers_throughout_is_none_for_javascript(
    generator_integers: dict[str, Path], generator_checkpoint: Path
) -> None:
    chosen = tuple(find_runtime(name) for name in ("litert-builtin", "node"))
    own, node = compare(generator_integers["int8-static"], generator_checkpoint, chosen)
    assert own.agrees
    assert node.agrees is None
    assert node.reason is not None
    assert "outputs are int8" in node.reason or "install" in node.reason
