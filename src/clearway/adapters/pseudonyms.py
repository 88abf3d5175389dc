"""Pseudonyms of values: HMAC-SHA256 (RFC 2104) in base32 (RFC 4648), typed and versioned: `<EMAIL:1…>`."""

import hmac

#: Of the 256 bits of a MAC, the first 80: 16 characters of base32.
_BYTES = 10
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


class TokenKey:
    """A key of 32 bytes at work. Safe between threads: what is shared is only copied. Shows no secret in its repr.

    The key's blocks are hashed once: a governed step makes several pseudonyms."""

    __slots__ = ("_mac",)

    def __init__(self, key: bytes) -> None:
        self._mac = hmac.new(key, digestmod="sha256")

    def token(self, value: str, type_name: str) -> str:
        mac = self._mac.copy()
        mac.update(f"{type_name}\0{value}".encode("utf-8", "surrogatepass"))
        bits, pairs = int.from_bytes(mac.digest()[:_BYTES], "big"), _PAIRS
        return (
            f"<{type_name}:1{pairs[bits >> 70]}{pairs[bits >> 60 & 1023]}{pairs[bits >> 50 & 1023]}"
            f"{pairs[bits >> 40 & 1023]}{pairs[bits >> 30 & 1023]}{pairs[bits >> 20 & 1023]}"
            f"{pairs[bits >> 10 & 1023]}{pairs[bits & 1023]}>"
        )
