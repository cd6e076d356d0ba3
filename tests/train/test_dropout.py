import pytest
import torch
from torch import nn

from networks.gan import Discriminator
from train.dropout import CpuDropout
from train.processes import ALONE
from train.whole_batch import WholeBatchDropout

ONES = torch.ones(64, 32, 32, 32)  # 2,097,152 elements


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def kept(dropout: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Where the module let something through."""
    answer: torch.Tensor = dropout(x) != 0
    return answer


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_the_rate_and_the_mean_are_right(p: float) -> None:
    dropped = CpuDropout(p)(ONES)
    count = dropped.numel()
    spread = (p * (1 - p) / count) ** 0.5
    assert (dropped == 0).double().mean().item() == pytest.approx(p, abs=5 * spread)
    assert dropped.double().mean().item() == pytest.approx(1, abs=5 * spread / (1 - p))
    (value,) = dropped[dropped != 0].unique().tolist()
    assert value == pytest.approx(1 / (1 - p), rel=1e-4)


def test_every_one_of_the_codes_is_drawn_and_the_rate_is_exact_to_the_code() -> None:
    """The two smallest steps beside 0.3: one code more is dropped, and none else differs."""
    masks = []
    for p in (19660 / 65536, 19661 / 65536, 0.3):
        torch.manual_seed(1)
        masks.append(kept(CpuDropout(p), ONES))
    fewer, more, asked = masks
    assert torch.equal(more, asked)  # 0.3 is 19660.8 codes
    assert not (more & ~fewer).any()
    assert int((fewer & ~more).sum()) == pytest.approx(ONES.numel() / 65536, abs=5 * 32**0.5)


def test_neighbours_places_and_calls_are_independent() -> None:
    """Four masks come of one number, so those next to each other are the ones to doubt."""
    dropout = CpuDropout(0.5)
    first, second = (kept(dropout, ONES).flatten().double() for _ in range(2))
    bound = 5 / len(first) ** 0.5
    for lag in (1, 2, 3, 4, 8, 624):
        pair = torch.stack((first[lag:], first[:-lag]))
        assert abs(pair.corrcoef()[0, 1].item()) < bound
    assert abs(torch.stack((first, second)).corrcoef()[0, 1].item()) < bound


def test_gradients_go_where_the_signal_went_and_as_strongly() -> None:
    x = torch.randn(8, 5, 7, requires_grad=True)
    y = CpuDropout(0.3)(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(y, x * gradient)
    assert torch.equal(gradient, torch.where(y == 0, 0.0, gradient.max()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_type_and_layout_stay(dtype: torch.dtype, layout: torch.memory_format) -> None:
    x = torch.ones(3, 5, 7, 9, dtype=dtype).contiguous(memory_format=layout)
    y = CpuDropout(0.3)(x)
    assert y.dtype == dtype
    assert y.stride() == x.stride()
    assert 0 < int((y == 0).sum()) < y.numel()


def test_the_same_random_state_gives_the_same_mask() -> None:
    before = torch.get_rng_state()
    first = kept(CpuDropout(0.3), ONES)
    torch.set_rng_state(before)
    assert torch.equal(first, kept(CpuDropout(0.3), ONES))


@pytest.mark.parametrize(("p", "mean"), [(0.0, 1.0), (1.0, 0.0)])
def test_all_or_nothing_is_what_it_says(p: float, mean: float) -> None:
    assert CpuDropout(p)(ONES).mean().item() == mean


def test_it_is_in_no_state_dict_and_does_nothing_in_use() -> None:
    discriminator = Discriminator(width=2)
    names = discriminator.state_dict().keys()
    discriminator.dropout = CpuDropout(discriminator.dropout.p)
    assert discriminator.state_dict().keys() == names
    assert CpuDropout(0.3).eval()(ONES) is ONES


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_shares_of_a_batch_lose_what_the_whole_of_it_would(layout: torch.memory_format) -> None:
    """Whatever the layout: the mask is drawn in the order of memory."""
    x = torch.randn(4, 6, 8, 8).contiguous(memory_format=layout)
    masks = []
    for dropout in (CpuDropout(0.3), WholeBatchDropout(CpuDropout(0.3), ALONE)):
        torch.manual_seed(2)
        masks.append(kept(dropout, x))
    assert torch.equal(*masks)
