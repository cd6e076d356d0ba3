"""The bytes of a .tflite by module, as rectangles of that size and as a table."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from verify.report.figures import share, some_bytes
from verify.report.treemap import Rectangle, squarify
from verify.weight_map import ModuleBytes, WeightMap, WeightPart, module_tree

_WIDTH, _HEIGHT = 1000.0, 400.0  # in the map's own units, near to pixels of a wide page
_PHONE = (0.35, 1.1)  # of that width and height, on a phone
_LETTER, _PADDING, _LINE = 7.0, 10.0, 15.0  # what a label takes, in the same units
_ROOT = "(outermost)"
_REST = "rest"
_KINDS = {"FLOAT32": "float32", "FLOAT16": "float16", "INT8": "int8", "INT4": "int4"}
_OTHER, _NO_WEIGHTS = "other", "none"


@dataclass(frozen=True)
class ModuleRow:
    """A module's constants of one dtype.

    Attributes:
        path: of the module, from the wrapper's root.
        dtype: as they are stored.
        op_kinds: of the ops that read them.
        size_bytes: with their scales.
        share: of the file.
    """

    path: str
    dtype: str
    op_kinds: str
    size_bytes: int
    share: str


@dataclass(frozen=True)
class Tile:
    """A rectangle of the map in per cent of its sides, and what it stands for.

    Attributes:
        kind: of its values, a class of the page.
        label: the lines that fit into it on a wide page, if any do.
        phone_label: likewise on a phone.
        title: all that there is to say.
    """

    rectangle: Rectangle
    kind: str
    label: tuple[str, ...]
    phone_label: tuple[str, ...]
    title: str


@dataclass(frozen=True)
class ByteMap:
    """Where the bytes of one file are.

    Attributes:
        tiles: of modules, and of what is no constant.
        groups: the outermost modules' rectangles.
        kinds: bytes by how they are stored, the most first, with the class of each.
        rows: every module, the largest first.
        summary: the map in words, for who cannot see it.
    """

    tiles: tuple[Tile, ...]
    groups: tuple[Rectangle, ...]
    kinds: tuple[tuple[str, str, str], ...]
    rows: tuple[ModuleRow, ...]
    summary: str


@dataclass
class _Layout:
    """What has been laid out so far, in units of the map."""

    size_bytes: int
    tiles: list[Tile] = field(default_factory=list)
    rows: list[ModuleRow] = field(default_factory=list)

    def add(self, row: ModuleRow, kind: str, within: Rectangle) -> None:
        label = _label(row.path, within.width, within.height)
        phone_label = _label(row.path, within.width * _PHONE[0], within.height * _PHONE[1])
        title = f"{row.path}: {some_bytes(row.size_bytes)}, {row.share} of the file, {row.dtype}"
        self.tiles.append(Tile(_in_percent(within), kind, label, phone_label, title))
        self.rows.append(row)


def make_byte_map(weights: WeightMap) -> ByteMap:
    """Lay out every byte of the file; a module's constants of one dtype are one rectangle."""
    layout = _Layout(weights.size_bytes)
    whole, root = Rectangle(0, 0, _WIDTH, _HEIGHT), module_tree(weights.parts)
    rest = sum(weights.rest.values())
    places = squarify([root.size_bytes, rest], whole)
    groups = list(_lay_out(layout, root, "", places[0]))
    said = ", ".join(f"{name} {some_bytes(size)}" for name, size in weights.rest.items())
    row = ModuleRow(_REST, said, "", rest, share(rest, weights.size_bytes))
    layout.add(row, _NO_WEIGHTS, places[1])
    rows = sorted(layout.rows, key=lambda row: -row.size_bytes)
    largest = ", ".join(f"{row.path} {row.share}" for row in rows[:3])
    return ByteMap(
        tiles=tuple(layout.tiles),
        groups=tuple(map(_in_percent, groups)),
        kinds=tuple(_legend(weights)),
        rows=tuple(rows),
        summary=f"{len(rows)} parts of {some_bytes(weights.size_bytes)}; the largest: {largest}",
    )


def _lay_out(
    layout: _Layout, module: ModuleBytes, path: str, within: Rectangle
) -> Iterator[Rectangle]:
    """Place a module's own constants and the modules inside; yields where the latter lie."""
    by_dtype: defaultdict[str, list[WeightPart]] = defaultdict(list)
    for part in module.parts:
        by_dtype[part.dtype].append(part)
    own = {dtype: sum(part.size_bytes for part in parts) for dtype, parts in by_dtype.items()}
    pieces: list[tuple[int, str | ModuleBytes]] = [(size, dtype) for dtype, size in own.items()]
    pieces += [(child.size_bytes, child) for child in module.children]
    pieces.sort(key=lambda piece: -piece[0])
    places = squarify([size for size, _ in pieces], within)
    for (size, piece), place in zip(pieces, places, strict=True):
        if isinstance(piece, ModuleBytes):
            inner = list(_lay_out(layout, piece, f"{path}.{piece.name}".lstrip("."), place))
            yield from inner if len(module.children) == 1 and not module.parts else [place]
        else:
            kinds = ", ".join(dict.fromkeys(part.op_kind for part in by_dtype[piece]))
            row = ModuleRow(path or _ROOT, piece, kinds, size, share(size, layout.size_bytes))
            layout.add(row, _KINDS.get(piece, _OTHER), place)


def _legend(weights: WeightMap) -> Iterator[tuple[str, str, str]]:
    """(class, name, bytes) of each way in which bytes are stored."""
    for dtype, size in weights.by_dtype().items():
        yield _KINDS.get(dtype, _OTHER), dtype.lower(), some_bytes(size)
    yield _NO_WEIGHTS, "rest: card, names, structure", some_bytes(sum(weights.rest.values()))


def _label(path: str, width: float, height: float) -> tuple[str, ...]:
    """The longest end of the path that fits, broken at its dots; nothing without a letter."""
    letters = int((width - _PADDING) / _LETTER)
    names = path.split(".")
    for first in range(len(names)):
        lines = _broken(names[first:], letters)
        if (
            lines
            and len(lines) * _LINE + _PADDING <= height
            and any(map(str.isalpha, "".join(lines)))
        ):
            return lines
    return ()


def _broken(names: Sequence[str], letters: int) -> tuple[str, ...]:
    """The names joined by dots, in lines of so many letters at most; none where one is longer."""
    lines = [names[0]]
    for name in names[1:]:
        if len(lines[-1]) + 1 + len(name) <= letters:
            lines[-1] += f".{name}"
        else:
            lines.append(f".{name}")
    return tuple(lines) if max(map(len, lines)) <= letters else ()


def _in_percent(rectangle: Rectangle) -> Rectangle:
    return Rectangle(
        *(100 * rectangle.x / _WIDTH, 100 * rectangle.y / _HEIGHT),
        *(100 * rectangle.width / _WIDTH, 100 * rectangle.height / _HEIGHT),
    )
