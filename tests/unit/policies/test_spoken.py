"""Fingerprints said aloud and typed again."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import MalformedStatement
from policies.spoken import spoken, unspoken
from policies.spoken_words import THREE_SYLLABLES, TWO_SYLLABLES

DIGEST = hashlib.sha256(b"x").hexdigest()


def test_the_lists_are_the_published_ones() -> None:
    joined = "\n".join([*TWO_SYLLABLES, *THREE_SYLLABLES])
    assert (
        hashlib.sha256(joined.encode()).hexdigest()
        == "e9b7b0052233a74aa56724ed3f79c272036aed68d8f4c0856e833c8043b9ac62"
    )
    words = [word.casefold() for word in (*TWO_SYLLABLES, *THREE_SYLLABLES)]
    assert len(set(words)) == 512


def test_the_example_of_the_list_s_authors_comes_out() -> None:
    example = "E58294F2E9A227486E8B061B31CC528FD7FA3F19" + "00" * 12
    assert (
        spoken(example.lower())
        .replace("\n", " ")
        .startswith(
            "topmost Istanbul Pluto vagabond treadmill Pacific brackish dictator "
            "goldfish Medusa afflict bravado chatter revolver Dupont midsummer "
            "stopwatch whimsical cowbell bottomless"
        )
    )


@given(st.binary(min_size=32, max_size=32))
def test_every_digest_comes_back_from_its_words(digest: bytes) -> None:
    words = spoken(digest.hex())
    assert [len(line.split()) for line in words.splitlines()] == [8, 8, 8, 8]
    assert unspoken(words) == digest.hex()
    assert unspoken(words.upper().replace(" ", "-").replace("\n", ", ")) == digest.hex()


def test_hex_is_taken_as_it_is_in_either_case() -> None:
    assert unspoken(DIGEST) == DIGEST
    assert unspoken(f" {DIGEST.upper()}\n") == DIGEST


@pytest.mark.parametrize("place", [0, 1, 15, 31])
def test_a_swapped_or_misheard_word_is_named(place: int) -> None:
    words = spoken(DIGEST).split()
    misheard = [*words[:place], "aardwolf", *words[place + 1 :]]
    with pytest.raises(
        MalformedStatement, match=f"word {place + 1} .*none of the list"
    ):
        unspoken(" ".join(misheard))
    swapped = [*words[:place], words[place - 1], *words[place + 1 :]]
    with pytest.raises(MalformedStatement, match=f"word {place + 1} .*out of place"):
        unspoken(" ".join(swapped))


@pytest.mark.parametrize(
    "text", ["", "abc", DIGEST[:-1], DIGEST + "0", "é" * 64, "- ,"]
)
def test_anything_shorter_or_longer_is_refused(text: str) -> None:
    with pytest.raises(MalformedStatement, match="64 hexadecimal digits or 32 words"):
        unspoken(text)


@pytest.mark.parametrize("text", ["", DIGEST.upper(), DIGEST[:20], "x" * 64])
def test_only_a_whole_digest_is_spoken(text: str) -> None:
    with pytest.raises(MalformedStatement):
        spoken(text)
