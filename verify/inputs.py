"""What goes into a model to be compared: made samples, and pictures that are read as they come."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, overload

from chunkport.errors import UsageError
from convert.isolation import return_freed_memory

if TYPE_CHECKING:
    from pathlib import Path

    from wrappers.spec import Arrays, Contract, ModelSpec

_KEPT_BYTES = 128 << 20  # of pictures; the others are read anew for every file that is judged


class Inputs(Sequence["Arrays"]):
    """Samples, then pictures, of which only so many are in memory as fit into a set size.

    Raises:
        UsageError: the model takes no pictures.
        BadInputError: on the way through them, that a file is no picture.
    """

    def __init__(
        self,
        spec: "ModelSpec",
        contract: "Contract",
        samples: "Sequence[Arrays]",
        pictures: "Sequence[Path]" = (),
    ) -> None:
        if pictures and spec.read_pictures is None:
            raise UsageError(f"model '{spec.name}' takes no pictures; leave out the folder")
        if pictures:
            return_freed_memory()  # for the network's answers are kept, and lie between its layers
        self._spec, self._contract = spec, contract
        self.samples, self.pictures = list(samples), tuple(pictures)
        self._kept: dict[int, Arrays] = {}
        self._room = _KEPT_BYTES

    def __len__(self) -> int:
        return len(self.samples) + len(self.pictures)

    @overload
    def __getitem__(self, place: int) -> "Arrays": ...

    @overload
    def __getitem__(self, place: slice) -> "list[Arrays]": ...

    def __getitem__(self, place: int | slice) -> "Arrays | list[Arrays]":
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = range(len(self))[place]  # raises IndexError, and counts from the end below 0
        first = len(self.samples)
        return self.samples[number] if number < first else self._picture(number - first)

    def __iter__(self) -> "Iterator[Arrays]":
        yield from self.samples
        yield from map(self._picture, range(len(self.pictures)))

    def _picture(self, number: int) -> "Arrays":
        if number in self._kept:
            return self._kept[number]
        assert self._spec.read_pictures is not None
        (read,) = self._spec.read_pictures(self._contract, [self.pictures[number]])
        size = sum(values.nbytes for values in read.values())
        if size <= self._room:
            self._kept[number] = read
            self._room -= size
        return read
