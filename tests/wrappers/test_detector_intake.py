import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file

from checkpoints import open_checkpoint, save_model_chunked
from chunkport.errors import BadInputError, UsageError
from networks.cards import load_card
from networks.detector import build_detector
from wrappers.detector_intake import load_detector_network
from wrappers.detector_weights import find_detector

CAP_MB = 0.0625
ROOT = Path(__file__).parents[2]
CARD: dict[str, Any] = {
    "args": {"nbits": 16, "img_size_proc": 64},
    "extractor": {
        "model": "convnext_chunky",
        "params": {
            "encoder": {"stem_stride": 2, "depths": [1, 1, 2, 1], "dims": [8, 16, 24, 32]},
            "pixel_decoder": {"upscale_stages": [1], "sigmoid_output": False, "pixelwise": False},
        },
    },
}
IMAGE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def quiet(_message: str) -> None:
    """Announce nothing."""


@pytest.fixture
def card(tmp_path: Path) -> Path:
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(CARD))
    return tmp_path / "card.yaml"


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(3)
    built = build_detector(load_card(CARD)).eval()
    for parameter in built.parameters():
        torch.nn.init.normal_(parameter, 0, 0.2)
    return built


def detector_of(network: torch.nn.Module, prefix: str = "detector.") -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in network.state_dict().items()}


def whole_model(network: torch.nn.Module, outer: str = "") -> dict[str, torch.Tensor]:
    """With an embedder whose message table is there twice, as in the published file."""
    table = torch.randn(32, 32)
    model = {
        "embedder.unet.msg_processor.msg_embeddings.weight": table,
        "embedder.msg_processor.msg_embeddings.weight": table,
        **detector_of(network),
        "rgb2yuv.M": torch.randn(3, 3),
        "attenuation.conv_x.weight": torch.randn(1, 1, 3, 3),
    }
    return {f"{outer}{name}": tensor for name, tensor in model.items()}


def training_run(network: torch.nn.Module) -> dict[str, Any]:
    parameters = [torch.nn.Parameter(torch.randn(5))]
    optimizer = torch.optim.AdamW(parameters)
    torch.autograd.backward([parameters[0].sum()])
    optimizer.step()
    return {
        "epoch": 600,
        "model": whole_model(network, "module."),
        "discriminator": {"module.detector.w": torch.ones(3)},
        "optimizer": optimizer.state_dict(),
        "optimizer_d": None,
        "scheduler": {"base_values": [1e-4], "t_initial": 600},
        "args": yaml.safe_dump({"nbits": 16, "img_size_proc": 64, "videowam_chunk_size": 32}),
    }


FORMS: dict[str, Any] = {
    "published": lambda n: {"model": whole_model(n), "args": {"nbits": 16}},
    "training run": training_run,
    "distributed and compiled": lambda n: {"model": whole_model(n, "module._orig_mod.")},
    "bare": whole_model,
    "nested": lambda n: {"model": {"detector": n.state_dict(), "embedder": {"w": torch.ones(1)}}},
    "detector under model": lambda n: {"model": detector_of(n)},
    "detector without prefix": lambda n: {"model": n.state_dict()},
    "bare detector": detector_of,
    "bare detector without prefix": lambda n: n.state_dict(),
    "distributed twice": lambda n: detector_of(n, "module.module.detector."),
    "compiled detector": lambda n: detector_of(n, "detector._orig_mod."),
    "parameters": lambda n: {"model": dict(n.named_parameters())},
}


@pytest.mark.parametrize("chunked", [False, True], ids=["plain", "chunked"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_detector(
    tmp_path: Path, card: Path, network: torch.nn.Module, form: str, chunked: bool
) -> None:
    path, contents = tmp_path / "m.pth", FORMS[form](network)
    if chunked:
        assert save_model_chunked(contents, path, CAP_MB, announce=quiet).manifest
    else:
        torch.save(contents, path)
    loaded = load_detector_network(path, card)
    with torch.inference_mode():
        assert torch.equal(loaded(IMAGE), network(IMAGE))
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


@pytest.mark.parametrize("prefix", ["", "detector.", "module.detector."])
def test_safetensors_give_the_same_detector(
    tmp_path: Path, card: Path, network: torch.nn.Module, prefix: str
) -> None:
    save_file(detector_of(network, prefix), tmp_path / "m.safetensors")
    loaded = load_detector_network(tmp_path / "m.safetensors", card)
    with torch.inference_mode():
        assert torch.equal(loaded(IMAGE), network(IMAGE))


def test_half_precision_becomes_the_networks_own(
    tmp_path: Path, card: Path, network: torch.nn.Module
) -> None:
    halves = {name: tensor.half() for name, tensor in network.state_dict().items()}
    torch.save({"model": halves}, tmp_path / "m.pth")
    loaded = load_detector_network(tmp_path / "m.pth", card)
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, halves[name].float())


def test_channels_last_weights_are_the_same_weights(
    tmp_path: Path, card: Path, network: torch.nn.Module
) -> None:
    turned = {
        name: tensor.to(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor
        for name, tensor in network.state_dict().items()
    }
    torch.save(turned, tmp_path / "m.pth")
    loaded = load_detector_network(tmp_path / "m.pth", card)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(IMAGE), network(IMAGE))


@pytest.mark.parametrize(
    "args",
    [
        {"nbits": 96, "img_size_proc": 256, "extractor_model": "sam_small"},
        "nbits: 96\nimg_size_extractor: 256\nimg_size: 768\nextractor_model: sam_small\n",
        {
            "nbits": 1024,
            "img_size_proc": 256,
            "extractor_model": "convnext_sweep_3_prop_stride2",
            "videowam_chunk_size": 32,
            "videowam_step_size": 4,
        },
        "nbits: 256\nimg_size_proc: 256\nextractor_model: convnext_tiny\nhidden_size: null\n",
    ],
    ids=["mapping", "yaml", "old names", "yaml with more"],
)
def test_the_card_follows_from_what_the_checkpoint_says(tmp_path: Path, args: Any) -> None:
    torch.save({"model": {"detector.x": torch.ones(1)}, "args": args}, tmp_path / "m.pth")
    found = find_detector(open_checkpoint(tmp_path / "m.pth")).card()
    said = yaml.safe_load(args) if isinstance(args, str) else args
    assert found.nbits == said["nbits"]
    names = {96: "sam_small", 256: "convnext_tiny", 1024: "convnext_chunky"}
    assert found.extractor == names[found.nbits]
    assert found.video_chunk_size == (32 if found.nbits == 1024 else None)


def test_the_args_in_a_safetensors_file_are_heard(tmp_path: Path) -> None:
    args = "nbits: 96\nimg_size_proc: 256\nextractor_model: sam_small\n"
    save_file({"detector.x": torch.ones(1)}, tmp_path / "m.safetensors", metadata={"args": args})
    assert find_detector(open_checkpoint(tmp_path / "m.safetensors")).card().nbits == 96


def refused(path: Path, card: Path | str | None, *words: str) -> None:
    with pytest.raises(BadInputError) as caught:
        load_detector_network(path, card)
    assert "\n" not in str(caught.value)
    for word in (path.name, *words):
        assert word in str(caught.value)


def test_missing_and_unexpected_keys_are_listed_in_order(
    tmp_path: Path, card: Path, network: torch.nn.Module
) -> None:
    state = detector_of(network)
    del state["detector.pixel_decoder.linear.bias"]
    del state["detector.convnext.stages.0.0.grn.beta"]
    state |= {"detector.zebra": torch.ones(1), "detector.apple": torch.ones(1)}
    torch.save({"model": state}, tmp_path / "m.pth")
    refused(
        tmp_path / "m.pth",
        card,
        "missing keys: convnext.stages.0.0.grn.beta, pixel_decoder.linear.bias;",
        "unexpected keys: apple, zebra",
    )


def test_a_wrong_shape_is_refused(tmp_path: Path, card: Path, network: torch.nn.Module) -> None:
    state = detector_of(network)
    state["detector.pixel_decoder.linear.bias"] = torch.ones(3)
    torch.save({"model": state}, tmp_path / "m.pth")
    refused(tmp_path / "m.pth", card, "'pixel_decoder.linear.bias' has shape (3,), expected (17,)")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(
    tmp_path: Path, card: Path, network: torch.nn.Module, value: float
) -> None:
    state = detector_of(network)
    weight = state["detector.pixel_decoder.linear.weight"] = state[
        "detector.pixel_decoder.linear.weight"
    ].clone()
    weight[2, 3] = value
    torch.save({"model": state}, tmp_path / "m.pth")
    refused(tmp_path / "m.pth", card, "holds 1 NaN or infinite of 544 values")


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        ({"model": {"embedder.w": torch.ones(1)}}, "it holds embedder;"),
        ({"generator": {"w": torch.ones(1)}, "epoch": 3}, "it holds generator;"),
        ({"epoch": 3}, "it holds epoch;"),
        ({}, "it holds nothing;"),
        ({"model": [1]}, "key model: expected a state dict, found a list"),
        (
            {"detector.a": torch.ones(1), "module.detector.a": torch.ones(1)},
            "holds 'detector.a' twice",
        ),
    ],
    ids=["embedder", "gan", "no tensors", "empty", "a list", "twice"],
)
def test_a_checkpoint_without_a_detector_is_refused(
    tmp_path: Path, card: Path, contents: dict[str, Any], reason: str
) -> None:
    torch.save(contents, tmp_path / "m.pth")
    refused(tmp_path / "m.pth", card, reason)


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (None, "does not say which detector it holds (it has no args)"),
        ({"nbits": 16}, "key args.img_size_proc is missing"),
        ("[1, 2]", "expected a mapping"),
        ({"nbits": 16, "img_size_proc": 64, "extractor_model": "resnet"}, "convnext_..."),
    ],
)
def test_a_checkpoint_that_says_too_little_asks_for_a_card(
    tmp_path: Path, network: torch.nn.Module, args: Any, reason: str
) -> None:
    contents = {"model": detector_of(network)} | ({} if args is None else {"args": args})
    torch.save(contents, tmp_path / "m.pth")
    refused(tmp_path / "m.pth", None, reason, "name the model, or give its card")


def test_an_unknown_card_is_a_usage_error(tmp_path: Path, network: torch.nn.Module) -> None:
    torch.save({"model": detector_of(network)}, tmp_path / "m.pth")
    with pytest.raises(UsageError, match="did you mean chunkyseal"):
        load_detector_network(tmp_path / "m.pth", "chunkysea")


FULL_SCALE = """
import sys
from wrappers.detector_intake import load_detector_network
def anonymous():
    with open("/proc/self/status") as status:
        return next(int(l.split()[1]) / 1024 for l in status if l.startswith("RssAnon"))
before = anonymous()
network = load_detector_network(sys.argv[1])
assert sum(p.numel() for p in network.parameters()) == 773_715_209
print(anonymous() - before)
"""


@pytest.mark.full_scale
@pytest.mark.parametrize("flags", [[], ["--chunk"], ["--full"]], ids=["plain", "chunked", "full"])
def test_the_largest_detector_takes_next_to_no_memory(tmp_path: Path, flags: list[str]) -> None:
    path = tmp_path / "chunkyseal.pth"
    made = [sys.executable, "benchmarks/made_weights.py", "chunkyseal", "-o", str(path), *flags]
    subprocess.run(made, check=True, cwd=ROOT)
    done = subprocess.run(
        [sys.executable, "-c", FULL_SCALE, str(path)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert float(done.stdout) < 64
