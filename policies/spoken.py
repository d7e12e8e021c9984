"""Digests said aloud: a SHA-256 as 32 words, and back.

For comparing a fingerprint by telephone. Every bit is in the words: a fingerprint cut
short is one that somebody can make a second one for.
"""

from __future__ import annotations

import re

from policies.errors import MalformedStatement
from policies.spoken_words import THREE_SYLLABLES, TWO_SYLLABLES

DIGEST_BYTES = 32
WORDS_A_LINE = 8
_LISTS = (TWO_SYLLABLES, THREE_SYLLABLES)
_BYTES = tuple(
    {word.casefold(): byte for byte, word in enumerate(words)} for words in _LISTS
)
_HEX = re.compile(r"[0-9a-f]{64}")


def spoken(digest: str) -> str:
    """A SHA-256 in hex as four lines of eight words.

    Raises:
        MalformedStatement: it is no SHA-256 in hex.
    """
    if not _HEX.fullmatch(digest):
        raise MalformedStatement("not a SHA-256 in lower-case hex")
    words = [
        _LISTS[place % 2][byte] for place, byte in enumerate(bytes.fromhex(digest))
    ]
    lines = range(0, DIGEST_BYTES, WORDS_A_LINE)
    return "\n".join(" ".join(words[i : i + WORDS_A_LINE]) for i in lines)


def unspoken(text: str) -> str:
    """The hex of a SHA-256 that was typed as hex or as its 32 words.

    Case, line breaks, commas and hyphens between words do not matter.

    Raises:
        MalformedStatement: it is neither; the message says which word is wrong.
    """
    hexadecimal = "".join(text.split()).lower()
    if _HEX.fullmatch(hexadecimal):
        return hexadecimal
    words = re.split(r"[\s,\-]+", text.strip(" \t\r\n,-").casefold())
    if len(words) != DIGEST_BYTES:
        raise MalformedStatement(
            "a fingerprint is 64 hexadecimal digits or 32 words; "
            f"these are {len(words)} words",
            hint="Give all of them, in quotes, in the order in which they are shown.",
        )
    return bytes(_byte(place, word) for place, word in enumerate(words)).hex()


def _byte(place: int, word: str) -> int:
    byte = _BYTES[place % 2].get(word)
    if byte is not None:
        return byte
    if word in _BYTES[1 - place % 2]:
        why = "is out of place: a word before it is missing, doubled or swapped"
    else:
        why = "is none of the list"
    raise MalformedStatement(
        f"word {place + 1} of the fingerprint ({word[:20]!r}) {why}",
        hint="Compare it with what countersign trust show prints.",
    )
