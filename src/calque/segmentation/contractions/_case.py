"""Capitals: the words of a contraction carry those of the token."""

from __future__ import annotations


def like(form: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """Give the lower-case ``words`` the capitals of ``form``: all, the first, or none.

    :param form: the token as it stands in the text.
    :param words: its words in lower case.
    """
    if form.islower():
        return words
    if len(form) > 1 and form.isupper():
        return tuple(word.upper() for word in words)
    if form[0].isupper():
        return (words[0][:1].upper() + words[0][1:], *words[1:])
    return words
