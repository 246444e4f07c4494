"""Puts phrases together to the patterns that the rules of errors look for.

The phrases stand in refusal_words.py and nobody_words.py (nothing was begun, so nothing was paid), begun_words.py (a
picture may have been made and billed) and foreign_words.py (both, in other languages than English); which of them
decide, and in what order, is the table of error_rules.py.

To add what a service was seen to say: put it into the group that means the same, one phrase a line, as little of it as
no other sentence has, in lower case. Bound what may stand between two words (".{0,30}"): runs without an end beside
each other take minutes for a hostile answer. Words that may be said of both, of a request that was refused and of a
picture that was lost, belong to those of what was begun. Then add the whole sentence, as it was reported, to the tests
(tests/api/transport/test_reported_answers.py), with the status it came with and the error it must be.
"""

from __future__ import annotations


def any_of(*phrases: str) -> str:
    """Return a pattern that fits where any of some fits; it stays one where it is put before or behind another."""
    return f"(?:{'|'.join(phrases)})"
