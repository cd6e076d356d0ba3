import dataclasses

import pytest
import torch

from networks.cards import VitEncoder, load_card
from networks.vit import Attention, ImageEncoderVit, from_windows, relative_positions, to_windows


@pytest.mark.parametrize(("grid", "size", "windows"), [(16, 8, 4), (6, 4, 4), (7, 3, 9), (4, 8, 1)])
def test_windows_fit_together_again(grid: int, size: int, windows: int) -> None:
    x = torch.randn(2, grid, grid, 5)
    cut = to_windows(x, size)
    assert cut.shape == (2 * windows, size, size, 5)
    assert torch.equal(cut[0, :grid, :grid], x[0, :size, :size])
    assert torch.equal(from_windows(cut, grid), x)


def test_windows_are_filled_up_with_zeros_below_and_to_the_right() -> None:
    corner = to_windows(torch.ones(1, 6, 6, 1), 4)[-1, :, :, 0]
    assert corner.sum() == 4
    assert corner[:2, :2].sum() == 4


def test_relative_positions_are_looked_up_by_query_minus_key() -> None:
    table = torch.arange(-3.0, 4.0)[:, None]  # each row of the table is its own distance
    laid_out = relative_positions(table, 4)[..., 0]
    for query in range(4):
        for key in range(4):
            assert laid_out[query, key] == query - key


def test_attention_equals_its_definition_for_each_pair_of_tokens() -> None:
    torch.manual_seed(0)
    size, heads, head_dim = 3, 2, 4
    dim = heads * head_dim
    attention = Attention(dim, heads, size, qkv_bias=True, use_rel_pos=True).double()
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(1, size, size, dim, dtype=torch.float64)
    tokens = [(row, column) for row in range(size) for column in range(size)]
    with torch.no_grad():
        qkv = attention.qkv(x)[0].unflatten(-1, (3, heads, head_dim))
        result = torch.zeros(size, size, heads, head_dim, dtype=torch.float64)
        for head in range(heads):
            for i, j in tokens:
                query = qkv[i, j, 0, head]
                logits = torch.stack(
                    [
                        query @ qkv[k, m, 1, head] / head_dim**0.5
                        + query @ attention.rel_pos_h[i - k + size - 1]
                        + query @ attention.rel_pos_w[j - m + size - 1]
                        for k, m in tokens
                    ]
                )
                values = torch.stack([qkv[k, m, 2, head] for k, m in tokens])
                result[i, j, head] = logits.softmax(0) @ values
        expected = attention.proj(result.reshape(1, size, size, dim))
        torch.testing.assert_close(attention(x), expected)


def _reach(encoder: VitEncoder) -> torch.Tensor:
    """Which patches of the features change when the patch in the first corner does."""
    torch.manual_seed(0)
    network = ImageEncoderVit(encoder).eval()
    image = torch.rand(1, 3, encoder.img_size, encoder.img_size)
    touched = image.clone()
    touched[..., : encoder.patch_size, : encoder.patch_size] += 1
    with torch.no_grad():
        changed: torch.Tensor = (network(image) != network(touched)).any(dim=1)[0]
    return changed


def test_only_global_blocks_reach_beyond_a_window() -> None:
    card = load_card("videoseal-0.0")
    assert isinstance(card.encoder, VitEncoder)
    encoder = dataclasses.replace(
        card.encoder, img_size=128, embed_dim=12, num_heads=2, depth=2, out_chans=4, window_size=4
    )
    within = _reach(dataclasses.replace(encoder, global_attn_indexes=()))
    assert within[:4, :4].all()
    assert not within[5:].any()  # row and column 4 are reached by the neck's 3x3 convolution
    assert not within[:, 5:].any()
    assert _reach(dataclasses.replace(encoder, global_attn_indexes=(1,))).all()
    assert _reach(dataclasses.replace(encoder, global_attn_indexes=(), window_size=0)).all()
