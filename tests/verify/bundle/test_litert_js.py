from dataclasses import replace
from pathlib import Path

import pytest

from chunkport.errors import BadInputError, MissingDependencyError
from verify.bundle.litert_js import copy_litert_js, fault_of
from verify.runtimes import programs
from verify.subject import Subject
from wrappers.spec import Contract, TensorSpec

LATENT = TensorSpec("latent", (1, 7), "features", "N(0, 1)", "noise")


def _sparse(path: Path, mebibytes: int) -> Path:
    with path.open("wb") as file:
        file.truncate(mebibytes << 20)
    return path


def test_what_a_browser_can_hold_has_no_fault(tmp_path: Path) -> None:
    subject = Subject(_sparse(tmp_path / "m.tflite", 750), "chunkyseal", "int8-dynamic", None)
    assert fault_of(subject, Contract((LATENT,), (LATENT,))) is None


@pytest.mark.parametrize(
    ("precision", "mebibytes"), [("fp32", 1100), ("fp16", 700), ("int8-dynamic", 1100)]
)
def test_a_model_larger_than_the_heap_is_told_so(
    tmp_path: Path, precision: str, mebibytes: int
) -> None:
    subject = Subject(_sparse(tmp_path / "m.tflite", mebibytes), "chunkyseal", precision, None)
    fault = fault_of(subject, Contract((LATENT,), (LATENT,)))
    assert fault is not None
    assert "heap of 2 GiB" in fault


def test_inputs_that_cannot_be_fed_are_named(tmp_path: Path) -> None:
    subject = Subject(_sparse(tmp_path / "m.tflite", 1), "mine", "int8-dynamic", None)
    odd = Contract((replace(LATENT, dtype="int8"),), (LATENT,))
    fault = fault_of(subject, odd)
    assert fault is not None
    assert "float32, int32, uint8 alone" in fault
    assert "int8" in fault.split(" are ")[-1]


def test_without_litert_js_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(programs.LITERT_JS_VARIABLE, raising=False)
    monkeypatch.setattr(programs, "_node_modules", lambda: iter([tmp_path]))
    monkeypatch.setattr(programs, "_shared_node_modules", lambda: None)
    with pytest.raises(MissingDependencyError, match="npm install @litertjs/core"):
        copy_litert_js(tmp_path / "litertjs")
    assert not (tmp_path / "litertjs").exists()


def test_half_a_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    core = tmp_path / "@litertjs" / "core"
    for part in ("dist", "wasm"):
        (core / part).mkdir(parents=True)
    (core / "dist" / "index.js").write_text("")
    (core / "package.json").write_text("{}")
    monkeypatch.setenv(programs.LITERT_JS_VARIABLE, str(core))
    with pytest.raises(BadInputError, match="no whole @litertjs/core"):
        copy_litert_js(tmp_path / "litertjs")


def test_the_files_are_those_of_npm_to_the_byte(litert_js: Path, tmp_path: Path) -> None:
    version = copy_litert_js(tmp_path / "litertjs")
    assert version.count(".") == 2
    core = (tmp_path / "litertjs" / "core.js").read_bytes()
    assert core == (litert_js / "dist" / "index.js").read_bytes()
    copied = sorted(path.name for path in (tmp_path / "litertjs" / "wasm").iterdir())
    assert copied == [
        "litert_wasm_compat_internal.js",
        "litert_wasm_compat_internal.wasm",
        "litert_wasm_internal.js",
        "litert_wasm_internal.wasm",
    ]
    for name in copied:
        same = (tmp_path / "litertjs" / "wasm" / name).read_bytes()
        assert same == (litert_js / "wasm" / name).read_bytes()
