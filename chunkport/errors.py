"""The errors that a user can meet, each with the exit code of the command that met it.

A message is one line: what was wrong, with which file or key, and what to do about it.
Anything else that escapes is a fault of chunkport and keeps its traceback.
"""


class ChunkportError(Exception):
    """The root of every error that is the user's to mend; never raised itself."""

    exit_code = 1


class UsageError(ChunkportError):
    """The request cannot be carried out as written: an unknown name, a place not writable."""

    exit_code = 2


class MissingDependencyError(ChunkportError):
    """A runtime or package that the request needs is not installed."""

    exit_code = 3


class ConversionError(ChunkportError):
    """The model could not be turned into a .tflite that holds all of it."""

    exit_code = 4


class BadInputError(ChunkportError):
    """A file is damaged, incomplete, or not what it was given as."""

    exit_code = 5


class WorkerDiedError(ChunkportError):
    """A process that a part of the work was given to came to an end, and so did another."""

    exit_code = 3
