"""Checksums of whole files, and keeping them in a manifest. Needs no torch.

A save records CRC-32, which finds every accident. SHA-256 also tells a forgery, and is what Git LFS
and Hugging Face call a file by; without help from the processor it takes longer than the save
itself, so it is computed when asked for, and recorded afterwards.
"""

import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from checkpoints.checked_file import new_file
from checkpoints.document import read_document
from checkpoints.journal import locked, recover
from checkpoints.layout import Layout
from checkpoints.manifest import document_text
from checkpoints.parsing import read_manifest
from checkpoints.streaming import BLOCK
from chunkport.errors import BadInputError, UsageError
from chunkport.files import sync_folder


@dataclass(frozen=True)
class Digest:
    """A file's CRC-32, and its SHA-256 in hexadecimal."""

    crc32: int
    sha256: str


def digest_of(file: Path, on_bytes: Callable[[int], None] = lambda _count: None) -> Digest:
    """Read all of `file`, in constant memory; `on_bytes` hears of every block."""
    crc32, sha256 = 0, hashlib.sha256()
    with file.open("rb", buffering=0) as stream:
        while block := stream.read(BLOCK):
            crc32 = zlib.crc32(block, crc32)
            sha256.update(block)
            on_bytes(len(block))
    return Digest(crc32, sha256.hexdigest())


def record_sha256(layout: Layout, save_id: str, sha256: Mapping[str, str]) -> None:
    """Write the SHA-256 of each chunk, by its file's name, into the manifest of save `save_id`.

    The manifest is replaced whole: a process that dies meanwhile leaves the old one or the new one.

    Raises:
        BadInputError: the checkpoint was saved anew since, or its manifest is damaged.
        UsageError: the folder is not writable.
    """
    try:
        with locked(layout.folder, exclusive=True):
            recover(layout)
            if read_manifest(layout.manifest, layout).save_id != save_id:
                raise BadInputError(
                    f"{layout.manifest}: the checkpoint was saved anew meanwhile; check it again"
                )
            document = read_document(layout.manifest)
            for entry in document["chunk_files"]:
                entry["sha256"] = sha256[entry["filename"]]
            staged = layout.staged(layout.manifest_name, save_id)  # which any later save removes
            with new_file(staged) as file:
                file.write(document_text(document).encode("ascii"))
            staged.replace(layout.manifest)
            sync_folder(layout.folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"{layout.manifest}: cannot be written ({reason}); make its folder writable"
        ) from error
