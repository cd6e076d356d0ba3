import subprocess
import sys
from pathlib import Path

import pytest
import torch

from networks.embedder import Embedder, activity
from networks.embedder_card import EmbedderCard

CARD = EmbedderCard(nbits=8, image_size=32, channels=8, depth=1, tile=4, psnr_db=38.0)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    torch.manual_seed(0)
    return Embedder(CARD).eval().requires_grad_(requires_grad=False)


def pictures(count: int, height: int, width: int, *, seed: int = 0) -> torch.Tensor:
    """Away from black and white, so that no mark is clipped."""
    source = torch.Generator().manual_seed(seed)
    return 0.25 + 0.5 * torch.rand(count, 3, height, width, generator=source)


def messages(count: int, *, seed: int = 1) -> torch.Tensor:
    source = torch.Generator().manual_seed(seed)
    return torch.randint(0, 2, (count, CARD.nbits), generator=source).float()


@pytest.mark.parametrize("size", [(32, 32), (64, 48), (31, 57), (200, 20)])
def test_every_picture_of_any_size_is_marked_at_the_cards_psnr(
    embedder: Embedder, size: tuple[int, int]
) -> None:
    original = pictures(3, *size)
    marked = embedder(original, messages(3))
    assert marked.shape == original.shape
    error = (marked - original).square().mean(dim=(1, 2, 3))
    assert torch.allclose(-10 * error.log10(), torch.full((3,), CARD.psnr_db), atol=0.01)


def test_a_picture_of_one_colour_is_marked_too(embedder: Embedder) -> None:
    original = torch.full((1, 3, 32, 32), 0.5)
    error = (embedder(original, messages(1)) - original).square().mean()
    assert float(-10 * error.log10()) == pytest.approx(CARD.psnr_db, abs=0.01)


def test_the_mark_depends_on_the_message_and_not_on_the_other_pictures(embedder: Embedder) -> None:
    original, asked = pictures(2, 32, 32), messages(2)
    together = embedder(original, asked)
    for index in range(2):
        alone = embedder(original[index : index + 1], asked[index : index + 1])
        assert torch.allclose(together[index], alone[0], atol=1e-6)
    other = embedder(original, 1 - asked)
    assert (other - together).abs().mean() > 0.1 * CARD.rms


def test_the_mark_is_on_the_luminance_alone(embedder: Embedder) -> None:
    original = pictures(1, 32, 32)
    mark = embedder(original, messages(1)) - original
    assert torch.allclose(mark[:, 0], mark[:, 1], atol=1e-6)
    assert torch.allclose(mark[:, 0], mark[:, 2], atol=1e-6)


def test_a_mark_outside_the_range_is_cut_off(embedder: Embedder) -> None:
    marked = embedder(torch.ones(1, 3, 32, 32), messages(1), 0.2)
    assert float(marked.max()) == 1.0
    assert float(marked.min()) >= 0.0


def test_the_strength_can_be_asked_for(embedder: Embedder) -> None:
    original = pictures(1, 32, 32)
    error = (embedder(original, messages(1), 0.05) - original).square().mean()
    assert float(error.sqrt()) == pytest.approx(0.05, rel=1e-3)


def test_texture_hides_more_than_a_wall() -> None:
    picture = torch.full((1, 3, 16, 32), 0.5)
    picture[:, :, :, 16:] += 0.3 * (torch.arange(16) % 2 * 2 - 1)
    shown = activity(picture)
    assert shown.shape == (1, 1, 16, 32)
    assert float(shown[..., :12].max()) == pytest.approx(0.02, abs=1e-6)
    assert float(shown[..., 20:].min()) > 0.15


def test_gradients_reach_every_weight() -> None:
    torch.manual_seed(0)
    network = Embedder(CARD)
    marked = network(pictures(2, 32, 32), messages(2))
    torch.autograd.backward((marked * torch.rand_like(marked)).sum())
    without = {
        name
        for name, weight in network.named_parameters()
        if weight.grad is None or not weight.grad.any()
    }
    # GRN begins as the identity: its gamma is 0, and has a gradient all the same.
    assert without == set()


@pytest.mark.integration
def test_building_it_without_memory_leaves_the_compiler_alone() -> None:
    """Loading PyTorch's compiler takes longer than reading a mark."""
    code = (
        "import sys, torch\n"
        "from networks.embedder import Embedder\n"
        "from networks.embedder_card import EmbedderCard\n"
        "with torch.device('meta'):\n"
        f"    assert Embedder({CARD!r}).message.weight.is_meta\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
