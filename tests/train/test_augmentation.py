"""Each augmentation does what it says, to each image by draws of its own, and lets gradients by."""

import pytest
import torch

from train.augmentation import AUGMENTATIONS, augmented

SIZE = 32


@pytest.fixture(autouse=True)
def same_draws() -> None:
    torch.manual_seed(0)


@pytest.fixture
def pictures() -> torch.Tensor:
    return torch.rand(8, 1, SIZE, SIZE) * 1.8 - 0.9


def moved(picture: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """(1, H, W), what comes in being 0."""
    found = torch.zeros_like(picture)
    rows, columns = (slice(max(by, 0), SIZE + min(by, 0)) for by in (down, right))
    from_rows, from_columns = (slice(max(-by, 0), SIZE + min(-by, 0)) for by in (down, right))
    found[:, rows, columns] = picture[:, from_rows, from_columns]
    return found


def test_translation_moves_each_by_an_eighth_at_most(pictures: torch.Tensor) -> None:
    found = []
    for before, after in zip(pictures, augmented(pictures, ["translation"]), strict=True):
        (by,) = [
            (down, right)
            for down in range(-4, 5)
            for right in range(-4, 5)
            if torch.equal(after, moved(before, down, right))
        ]
        found.append(by)
    assert len(set(found)) > 1


def test_cutout_empties_one_square_of_half_the_size(pictures: torch.Tensor) -> None:
    after = augmented(pictures, ["cutout"])
    emptied = after == 0
    assert torch.equal(after[~emptied], pictures[~emptied])
    places = set()
    for cut in emptied[:, 0]:
        rows, columns = (cut.any(axis).nonzero().flatten() for axis in (1, 0))
        top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
        assert cut[top:bottom, left:right].all()
        assert cut.sum() == (bottom - top) * (right - left)
        inside = (top > 0 and bottom < SIZE, left > 0 and right < SIZE)
        for whole, length in zip(inside, (bottom - top, right - left), strict=True):
            assert length == SIZE // 2 if whole else length <= SIZE // 2
        places.add((int(top), int(left)))
    assert len(places) > 1


def test_brightness_adds_one_number_to_each(pictures: torch.Tensor) -> None:
    added = augmented(pictures, ["brightness"]) - pictures
    torch.testing.assert_close(added, added[:, :, :1, :1].expand_as(added))
    assert added.abs().max() <= 0.5 + 1e-6
    assert len(set(added[:, 0, 0, 0].tolist())) == len(pictures)


def test_contrast_stretches_each_around_its_mean(pictures: torch.Tensor) -> None:
    after = augmented(pictures, ["contrast"])
    torch.testing.assert_close(after.mean((1, 2, 3)), pictures.mean((1, 2, 3)))
    factors = after.std((1, 2, 3)) / pictures.std((1, 2, 3))
    assert 0.5 <= factors.min() < factors.max() <= 1.5


def test_without_any_nothing_is_changed_and_nothing_drawn(pictures: torch.Tensor) -> None:
    before = torch.get_rng_state()
    assert augmented(pictures, []) is pictures
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("kinds", [[kind] for kind in AUGMENTATIONS] + [list(AUGMENTATIONS)])
def test_gradients_pass_exactly(kinds: list[str]) -> None:
    pictures = torch.rand(2, 1, 8, 8, dtype=torch.float64, requires_grad=True)

    def same_each_time(images: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)
        return augmented(images, kinds)

    assert torch.autograd.gradcheck(same_each_time, (pictures,))
