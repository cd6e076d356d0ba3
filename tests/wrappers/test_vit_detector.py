"""The transformer's rewrites for every form that a card can describe."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from networks.cards import VitEncoder
from networks.detector import VitDetector
from wrappers.spec import Target
from wrappers.vit_detector import VitForTflite, from_windows, to_windows

TARGETS: tuple[Target | None, ...] = (None, "gpu", "npu")
ENCODER = VitEncoder(
    img_size=30,
    patch_size=5,
    embed_dim=8,
    depth=3,
    num_heads=2,
    mlp_ratio=2,
    qkv_bias=True,
    use_rel_pos=True,
    window_size=3,
    global_attn_indexes=(1,),
    out_chans=12,
)


def a_detector(encoder: VitEncoder) -> VitDetector:
    """A detector whose every number is other than initial."""
    torch.manual_seed(0)
    network = VitDetector(encoder, nbits=7).double().eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    return network.requires_grad_(requires_grad=False)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"window_size": 0},
        {"window_size": 4},  # does not fit the grid of 6: zeros fill up
        {"window_size": 8},  # larger than the grid
        {"window_size": 6},
        {"window_size": 1},
        {"use_rel_pos": False},
        {"qkv_bias": False},
        {"qkv_bias": False, "window_size": 4},
        {"num_heads": 1},
        {"global_attn_indexes": ()},
        {"patch_size": 15},
    ],
)
def test_every_form_of_the_transformer_is_rewritten_exactly(change: dict[str, object]) -> None:
    network = a_detector(replace(ENCODER, **change))  # type: ignore[arg-type]  # fields by name
    image = torch.rand(1, 3, 30, 30, dtype=torch.float64)
    for target in TARGETS:
        logits = VitForTflite(network, target=target)(image.permute(0, 2, 3, 1))
        torch.testing.assert_close(logits, network(image), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("target", TARGETS)
def test_no_tensor_has_more_than_four_axes(target: Target | None) -> None:
    network = VitForTflite(a_detector(replace(ENCODER, window_size=4)), target=target)
    exported = torch.export.export(
        network, (torch.rand(1, 30, 30, 3, dtype=torch.float64),), strict=False
    )
    ranks = [
        node.meta["val"].dim()
        for node in exported.graph.nodes
        if isinstance(node.meta.get("val"), torch.Tensor)
    ]
    assert max(ranks) == 4


def test_windows_hold_neighbours_and_come_apart_again() -> None:
    grid = torch.arange(36)[:, None]
    by_windows = to_windows(grid, grid=6, window=3)
    assert by_windows[:9, 0].tolist() == [0, 1, 2, 6, 7, 8, 12, 13, 14]
    assert by_windows[9:12, 0].tolist() == [3, 4, 5]
    assert torch.equal(from_windows(by_windows, grid=6, window=3), grid)
