"""What is wrong with an audio file, as its container tells it."""

from evar.base.errors import DataError


class ContainerFault(DataError):
    """The file promises more audio than it holds, or is damaged; the text begins lower-case and names no path."""
