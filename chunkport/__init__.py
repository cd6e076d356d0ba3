"""What every room shares: the version, the errors and safe file writing."""

__version__ = "0.1.0"
