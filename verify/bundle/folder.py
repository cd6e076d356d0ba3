"""The folder of a bundle: written under another name, proven by its own script, then renamed."""

import base64
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from chunkport import __version__
from chunkport.errors import BadInputError, UsageError
from chunkport.files import make_folder, sync_folder
from convert.card import Card
from convert.quantization.precision import find_precision
from verify.bundle import goldens, litert_js, preprocessing, run_goldens
from verify.bundle.pictures import GoldenPicture
from verify.bundle.run_goldens import Row
from verify.judge import run_on_samples
from verify.reference import compute_reference, reference_without_network
from verify.runtimes.litert import LiteRtSession
from verify.runtimes.litert_js import unfit
from verify.subject import Subject
from wrappers.registry import find_spec
from wrappers.spec import Contract

if TYPE_CHECKING:
    from jinja2 import Environment

_SCRIPT = "run_goldens.py"
_LEFT_OUT = "the bundle was made without one"


@dataclass(frozen=True)
class BundleRequest:
    """What a bundle is made of.

    Attributes:
        subject: the .tflite.
        card: the one inside it.
        checkpoint: whose network's outputs are expected; None for the file's own.
        samples: how many made inputs.
        seed: of these.
        pictures: besides, for a model that takes some.
        page: whether to put the page in.
    """

    subject: Subject
    card: Card
    checkpoint: Path | None
    samples: int
    seed: int
    pictures: Sequence[GoldenPicture]
    page: bool


@dataclass(frozen=True)
class Bundle:
    """A bundle as it was found to be.

    Attributes:
        folder: where it is; it is there only if it passed.
        rows: every golden's comparisons, by its own script.
        size_bytes: of all files.
        litert_js: the version of LiteRT.js in it; None without.
        no_page: why there is no page; None where there is one.
    """

    folder: Path
    rows: tuple[Row, ...]
    size_bytes: int
    litert_js: str | None
    no_page: str | None

    @property
    def passed(self) -> bool:
        """Whether every comparison held."""
        return all(row.passed for row in self.rows)


def write_bundle(
    request: BundleRequest, target: Path, *, force: bool, on_sample: Callable[[], None]
) -> Bundle:
    """Make the bundle; one whose goldens do not hold is not left on the disk.

    Raises:
        UsageError: something is there that is not to be replaced, or the model takes no pictures.
        BadInputError: the checkpoint, the model or a picture is damaged.
        MissingDependencyError: LiteRT.js is not at hand.
    """
    refuse_to_overwrite(target, force=force)
    make_folder(target.parent)
    session = _opened(request.subject.path)
    place = target.resolve()  # a link to a bundle stays one
    with _staged(place) as staged:
        document, contract = _fill(request, session, staged, on_sample)
        no_page: str | None = _LEFT_OUT
        if request.page:
            path = request.subject.path
            no_page = unfit(path) or litert_js.fault_of(request.subject, contract)
        version = None
        if no_page is None:
            version = litert_js.copy_litert_js(staged / litert_js.FOLDER)
        _write_site(staged, document, version, no_page)
        rows = tuple(run_goldens.rows_of(staged, session.run))
        _write_json(staged / run_goldens.INDEX, goldens.with_measured(document, rows))
        size = sum(path.stat().st_size for path in staged.rglob("*") if path.is_file())
        bundle = Bundle(target, rows, size, version, no_page)
        if bundle.passed:
            _put_in_place(staged, place)
    return bundle


def refuse_to_overwrite(target: Path, *, force: bool) -> None:
    """Raises UsageError where something is there that is not to be replaced."""
    if not target.exists():
        return
    if not force:
        raise UsageError(f"{target}: already there; add --force to replace")
    if not (target / run_goldens.INDEX).is_file():
        raise UsageError(f"{target}: is no bundle, and is not replaced; name another folder")


def _opened(path: Path) -> LiteRtSession:
    try:
        return LiteRtSession(path, threads=2)
    except (ValueError, RuntimeError) as error:
        raise BadInputError(
            f"{path}: the runtime refuses it ({error}); convert it again"
        ) from error


def _fill(
    request: BundleRequest, session: LiteRtSession, folder: Path, on_sample: Callable[[], None]
) -> tuple[dict[str, Any], Contract]:
    """Write the model, its card, the goldens and the contract; returns the index."""
    subject = request.subject
    spec = find_spec(subject.model, subject.options)
    suffix = find_precision(subject.precision).suffix
    file = folder / f"{spec.file_stem}_{suffix}.tflite"
    shutil.copyfile(subject.path, file)
    (folder / goldens.FOLDER).mkdir()
    pictures = goldens.write_pictures(folder / goldens.FOLDER, request.pictures)
    if request.checkpoint is None:
        reference = reference_without_network(
            subject.model, request.card, request.samples, request.seed, pictures
        )
    else:
        reference = compute_reference(
            subject.model,
            request.checkpoint,
            request.samples,
            request.seed,
            on_sample,
            options=subject.options,
            pictures=pictures,
        )
    outputs = reference.outputs or run_on_samples(session, reference.inputs, on_sample)
    made = goldens.write_goldens(folder / goldens.FOLDER, reference, outputs, request.pictures)
    stored = Contract.from_json(request.card.contract)  # the network's knows of no integers
    document = goldens.index(subject, replace(reference, contract=stored), outputs, file, made)
    contract = preprocessing.picture_contract(spec, stored)
    _write_json(folder / run_goldens.INDEX, document)
    _write_json(
        folder / run_goldens.PREPROCESSING,
        contract or preprocessing.plain_contract(stored),
    )
    _write_json(folder / "card.json", request.card.to_json())
    return document, stored


def _write_site(
    folder: Path, document: dict[str, Any], version: str | None, no_page: str | None
) -> None:
    """The scripts and the README, and the page where there is one."""
    with as_file(files("verify.bundle")) as package:
        shutil.copyfile(package / _SCRIPT, folder / _SCRIPT)
        if no_page is None:
            shutil.copytree(package / "site", folder, dirs_exist_ok=True)
    environment = _environment()
    words = json.loads((folder / run_goldens.PREPROCESSING).read_text(encoding="utf-8"))["words"]
    common = {
        "index": document,
        "version": __version__,
        "litert_js": version,
        "no_page": no_page,
        "preprocessing": words,
    }
    readme = environment.get_template("README.md.j2").render(common)
    (folder / "README.md").write_text(readme, encoding="utf-8")
    if no_page is None:
        imports = environment.get_template("imports.json").render().strip()
        digest = base64.b64encode(hashlib.sha256(imports.encode()).digest()).decode()
        page = environment.get_template("index.html.j2").render(
            common, imports=imports, imports_sha256=digest
        )
        (folder / "index.html").write_text(page, encoding="utf-8")


def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=PackageLoader("verify.bundle"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """A folder beside the target, gone afterwards unless it was renamed."""
    staged = target.parent / f".{target.name}.{token_hex(4)}.tmp"
    try:
        staged.mkdir()
        yield staged
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"{target}: cannot be written ({reason}); choose another") from error
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _put_in_place(staged: Path, target: Path) -> None:
    """Rename the folder to its name; an older bundle goes once the new one is there."""
    older = None
    if target.exists():
        older = staged.with_suffix(".old")
        target.rename(older)
    staged.rename(target)
    sync_folder(target.parent)
    if older is not None:
        shutil.rmtree(older, ignore_errors=True)


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n", encoding="utf-8")
