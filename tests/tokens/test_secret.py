"""What a token looks like."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.tokens.secret import digest, holds_token, looks_like_token, new_token


def test_a_token_is_a_prefix_and_256_bits_in_base64url() -> None:
    token = new_token()
    assert token.startswith("pnb_")
    assert len(token) == 47
    assert len(base64.urlsafe_b64decode(token.removeprefix("pnb_") + "=")) == 32
    assert looks_like_token(token)


def test_no_token_comes_twice_and_every_bit_of_it_changes() -> None:
    tokens = {new_token() for _ in range(400)}
    assert len(tokens) == 400
    numbers = [int.from_bytes(base64.urlsafe_b64decode(token[4:] + "="), "big") for token in tokens]
    for bit in range(256):
        assert 0 < sum(number >> bit & 1 for number in numbers) < 400


def test_what_is_stored_is_the_sha_256_of_the_whole_token() -> None:
    assert digest("pnb_abc") == hashlib.sha256(b"pnb_abc").digest()


@pytest.mark.parametrize("around", ["{}\n", " {}", "{}=", "x{}", "Bearer {}", "{}A"])
def test_more_than_a_token_is_none_but_holds_one(around: str) -> None:
    text = around.format(new_token())
    assert not looks_like_token(text)
    assert holds_token(text)


@given(st.text())
def test_any_text_has_a_digest_and_is_hardly_a_token(text: str) -> None:
    assert len(digest(text)) == 32
    assert not looks_like_token(text)
    assert not holds_token(text)
