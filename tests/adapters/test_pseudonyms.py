"""Pseudonyms are HMAC-SHA256 as everybody computes it."""

import base64
import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from clearway.adapters.pseudonyms import TokenKey


@given(key=st.binary(min_size=32, max_size=32), value=st.text(st.characters(codec=None), max_size=200))
def test_a_pseudonym_is_eighty_bits_of_the_values_mac(key: bytes, value: str) -> None:
    mac = hmac.digest(key, f"EMAIL\0{value}".encode("utf-8", "surrogatepass"), hashlib.sha256)
    told = base64.b32encode(mac[:10]).decode().lower()
    made = TokenKey(key)
    assert made.token(value, "EMAIL") == made.token(value, "EMAIL") == f"<EMAIL:1{told}>"


def test_a_key_at_work_does_not_show_itself() -> None:
    assert "k" * 8 not in repr(TokenKey(b"k" * 32))
