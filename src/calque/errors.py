"""Errors that a user can mend, in one place.

Every error that reaches a user is a :class:`CalqueError` whose text says what is wrong, where, and what to do next.
The command line prints the text alone (no traceback) and exits with status 1; programs catch the class they care about.
"""

from __future__ import annotations


class CalqueError(Exception):
    """Base of every error with a message meant for the user."""


class FormatError(CalqueError):
    """A file does not follow its format: the message starts with ``file:line:``."""


class ModelError(CalqueError):
    """A model or encoder cannot be found, loaded or used as asked."""


class DataError(CalqueError):
    """A data set cannot be found, downloaded, verified or used as asked."""


class TrainingError(CalqueError):
    """Training cannot start, resume or go on."""


class MissingExtraError(CalqueError):
    """A command needs an optional dependency that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs packages that are not installed: run  pip install 'calque[{extra}]'  and try again")
        self.what, self.extra = what, extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """Out of another process, too: by default it would be made of its message alone."""
        return type(self), (self.what, self.extra)
