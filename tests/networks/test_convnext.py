import pytest
import torch

from networks.cards import ConvNextEncoder
from networks.convnext import Block, ConvNextV2, GlobalResponseNorm


@pytest.mark.parametrize(("stride", "size", "side"), [(2, 256, 15), (4, 256, 8), (4, 250, 7)])
def test_feature_size_follows_from_the_stem(stride: int, size: int, side: int) -> None:
    encoder = ConvNextEncoder(depths=(1, 1, 1, 1), dims=(8, 8, 8, 12), stem_stride=stride)
    with torch.device("meta"):
        features = ConvNextV2(encoder)(torch.zeros(2, 3, size, size))
    assert features.shape == (2, 12, side, side)
    assert encoder.feature_size(size) == side


def test_global_response_norm_by_hand() -> None:
    # Channel energies over the four pixels: sqrt(4 * 1) = 2 and sqrt(4 * 9) = 6; their mean is 4.
    norm = GlobalResponseNorm(2)
    torch.nn.init.constant_(norm.gamma, 10.0)
    torch.nn.init.constant_(norm.beta, 0.5)
    x = torch.tensor([1.0, -3.0]).expand(1, 2, 2, 2)
    expected = torch.tensor([10 * 1 * 0.5 + 0.5 + 1, 10 * -3 * 1.5 + 0.5 - 3]).expand(1, 2, 2, 2)
    torch.testing.assert_close(norm(x), expected)


def test_a_block_adds_to_its_input_and_reaches_three_pixels_far() -> None:
    torch.manual_seed(0)
    block = Block(4).eval()
    torch.nn.init.zeros_(block.grn.gamma)  # the response is global; without it the reach is local
    x = torch.randn(1, 4, 16, 16)
    touched = x.clone()
    touched[0, :, 8, 8] += 1
    with torch.no_grad():
        changed = (block(x) != block(touched)).any(dim=1)[0]
        torch.nn.init.zeros_(block.pwconv2.weight)
        torch.nn.init.zeros_(block.pwconv2.bias)
        unchanged = block(x)
    rows, columns = changed.nonzero(as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 11, 5, 11)
    assert torch.equal(unchanged, x)
