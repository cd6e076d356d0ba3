"""What a classifier sees in generated pictures, for people and as JSON."""

from pathlib import Path
from typing import TYPE_CHECKING

from scripts._output import Column, Output

if TYPE_CHECKING:
    from verify.classified_pictures import Classified

_DRAWN = 64


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


_CLASSES = (
    Column("class", "class"),
    Column("count", "pictures", right=True),
    Column("share", "share", _percent, right=True),
    Column("mean_confidence", "mean confidence", _percent, right=True),
)


def show_classes(output: Output, found: "Classified", by: str, of: str) -> None:
    """How many pictures `of` a model are of each class, as the classifier `by` sees them."""
    output.fact("classifier", by)
    output.table("classes", f"{of}, as {by} sees them", _CLASSES, found.histogram())
    mean = found.mean_confidence
    output.fact("mean_confidence", mean, f"Mean confidence: {_percent(mean)}")
    output.fact("fruit_like", found.fruit_like)
    if not found.fruit_like:
        output.warn(
            f"these pictures are unlike any that {by} was trained on, so its answers say little; "
            "train the generator for longer, or a classifier on pictures like yours"
        )


def draw_and_classify(output: Output, checkpoint: Path, seed: int) -> None:
    """Draw with a generator and show what chunkport's own classifier takes the pictures for.

    Raises:
        BadInputError: the checkpoint holds no generator.
    """
    from verify.classified_pictures import classify_pictures, open_classifier
    from verify.generated_pictures import generate_pictures

    found = classify_pictures(generate_pictures(checkpoint, _DRAWN, seed), *open_classifier(None))
    show_classes(output, found, "FruitCNN", f"{_DRAWN} pictures of {checkpoint.name}")
