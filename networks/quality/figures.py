"""The figures of a set of pictures: what each is called, what it means, which way is better."""

from dataclasses import dataclass
from typing import Literal

Better = Literal["less", "more", "near 1"]


@dataclass(frozen=True)
class Figure:
    """One figure of `networks.quality.judgement.SetQuality`, by its name there.

    `share` where it is a part of the pictures, from 0 to 1.
    """

    name: str
    better: Better
    explanation: str
    share: bool = False


FIGURES = (
    Figure("kid", "less", "how far its features lie from real ones'; 0 where only chance differs"),
    Figure("fid", "less", "likewise by mean and spread; only beside sets of as many pictures"),
    Figure("density", "more", "does it look real: about 1 does, 0 is like nothing real"),
    Figure("coverage", "more", "real pictures with a generated one among their likes", share=True),
    Figure("diversity", "near 1", "how much its pictures differ from each other; real ones: 1"),
    Figure("repeated", "less", "as near to another of the set as 1 in 20 real ones", share=True),
    Figure("copied", "less", "as much like one training picture as 1 in 20 unseen", share=True),
    Figure("class_distance", "less", "would have to be another fruit to be balanced", share=True),
    Figure("confidence", "more", "how sure the classifier is which fruit each is", share=True),
    Figure("checkerboard", "near 1", "fine grid of upsampling: above 1 grid or noise, below blur"),
)
