import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from checkpoints import dequantize, load_model_chunked, open_checkpoint, save_streamed
from checkpoints.quantized_weights import Kind, Loss, quantize
from chunkport.errors import BadInputError, UsageError


def weights() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(3)
    conv = torch.randn(8, 4, 3, 3, generator=generator) * torch.logspace(-3, 3, 8).view(8, 1, 1, 1)
    linear = torch.randn(300, 50, generator=generator)
    linear[7] = 0
    return {
        "state": {
            "conv": conv,
            "linear": linear,
            "tied": linear,
            "bias": torch.randn(8, generator=generator),
        },
        "ids": torch.arange(12).reshape(3, 4),
        "turned": torch.randn(6, 5, generator=generator).t(),
        "empty": torch.empty(0, 3),
        "epoch": 3,
    }


def quantized(
    tmp_path: Path, model: dict[str, Any], kind: Kind, name: str = "q.pth"
) -> tuple[Path, dict[str, Loss]]:
    torch.save(model, tmp_path / "m.pth")
    made, losses = quantize(open_checkpoint(tmp_path / "m.pth"), kind)
    saved = save_streamed(made, tmp_path / name, announce=print)
    return saved.path, {loss.name: loss for loss in losses}


def test_eight_bits_under_the_documented_names(tmp_path: Path) -> None:
    model = weights()
    path, losses = quantized(tmp_path, model, "int8")
    small = torch.load(path, weights_only=True)
    state = small["state"]
    assert list(state) == [
        *("conv.int8", "conv.scale", "linear.int8", "linear.scale", "tied.int8", "tied.scale"),
        "bias",
    ]
    assert state["conv.int8"].dtype == torch.int8
    assert state["conv.int8"].abs().amax(dim=(1, 2, 3)).tolist() == [127] * 8
    assert state["linear.int8"].data_ptr() == state["tied.int8"].data_ptr()
    assert torch.equal(state["bias"], model["state"]["bias"])
    assert torch.equal(small["ids"], model["ids"])
    assert small["epoch"] == 3
    assert set(losses) == {"state/conv", "state/linear", "turned"}


def test_dequantized_it_has_the_original_names_and_the_loss_that_was_told(tmp_path: Path) -> None:
    model = weights()
    path, losses = quantized(tmp_path, model, "int8")
    restored = dequantize(load_model_chunked(path))
    assert list(restored["state"]) == list(model["state"])
    assert list(restored) == list(model)
    for name, loss in losses.items():
        exact, back = model, restored
        for key in name.split("/"):
            exact, back = exact[key], back[key]
        error = (torch.as_tensor(back) - torch.as_tensor(exact)).double()
        rows = torch.as_tensor(exact).reshape(len(exact), -1).abs().amax(dim=1)
        assert error.abs().reshape(len(exact), -1).amax(dim=1).le(rows / 127 / 1.99).all()
        assert loss.max_abs_error == pytest.approx(float(error.abs().max()), rel=1e-6)
        relative = float(error.norm() / torch.as_tensor(exact).double().norm())
        assert loss.relative_l2 == pytest.approx(relative, rel=1e-6)
        assert loss.snr_db == pytest.approx(-20 * math.log10(relative))
        assert 0 < relative < 0.01


@pytest.mark.parametrize(("kind", "relative"), [("float16", 2**-11), ("bfloat16", 2**-8)])
def test_sixteen_bits_keep_their_names(tmp_path: Path, kind: Any, relative: float) -> None:
    model = weights()
    path, losses = quantized(tmp_path, model, kind)
    small = torch.load(path, weights_only=True)
    assert list(small["state"]) == list(model["state"])
    assert torch.equal(small["turned"], model["turned"].to(getattr(torch, kind)))
    assert small["state"]["bias"].dtype == getattr(torch, kind)
    assert small["ids"].dtype == torch.int64
    assert all(0 < loss.relative_l2 < relative for loss in losses.values())


def test_safetensors_hold_them_too(tmp_path: Path) -> None:
    path, _ = quantized(tmp_path, {"w": torch.randn(9, 9)}, "int8", "q.safetensors")
    assert {name: item.dtype for name, item in load_file(path).items()} == {
        "w.int8": torch.int8,
        "w.scale": torch.float32,
    }


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    model = {"state": {"w": torch.tensor([[1.0, math.nan]])}}
    with pytest.raises(BadInputError, match=r"m\.pth: 'state/w' holds NaN"):
        quantized(tmp_path, model, "int8")


def test_weights_beyond_float16_are_refused(tmp_path: Path) -> None:
    model = {"w": torch.tensor([[1.0, 70_000.0]])}
    with pytest.raises(UsageError, match=r"m\.pth: 'w' holds values beyond float16; choose bf"):
        quantized(tmp_path, model, "float16")
    quantized(tmp_path, model, "bfloat16")


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    model = {"w": torch.ones(2, 2), "w.scale": torch.ones(3)}
    with pytest.raises(UsageError, match=r"'w' needs the name 'w.scale', which is taken"):
        quantized(tmp_path, model, "int8")


@pytest.mark.parametrize("scale", [None, torch.ones(3)])
def test_weights_without_their_scale_are_refused(scale: torch.Tensor | None) -> None:
    state = {"w.int8": torch.ones(2, 2, dtype=torch.int8)}
    if scale is not None:
        state["w.scale"] = scale
    with pytest.raises(BadInputError, match=r"w.int8: has no scale for each of 2 rows"):
        dequantize({"state": state})


def test_what_was_never_quantized_stays() -> None:
    state = {"a.scale": torch.ones(3), "b": torch.ones(2), "c": [1]}
    assert dequantize(state) == state
