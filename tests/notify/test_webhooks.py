"""Signatures of webhooks (threat 44), as receivers check them."""

import base64

import pytest

from clearway.model.errors import Unauthenticated, surface_of
from clearway.rules.webhooks import TOLERANCE_S, sign, verify

NOW = 1_800_000_000
BODY = b'{"kind":"approval.requested"}'


def test_a_signature_of_the_standards_own_example_fits() -> None:
    """The example of https://www.standardwebhooks.com, section Verifying."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    headers = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_was_signed_is_read() -> None:
    headers = sign("secret", "n1", NOW, BODY)
    assert verify("secret", headers, BODY, now=NOW + 10) == {"kind": "approval.requested"}
    shouted = {name.title(): value for name, value in headers.items()}
    assert verify("secret", shouted, BODY, now=NOW)


def test_t44_a_webhook_that_is_forged_changed_or_stale_is_a_401() -> None:
    headers = sign("secret", "n1", NOW, BODY)
    bad = [
        ("other", headers, BODY, NOW),
        ("secret", headers, BODY + b" ", NOW),
        ("secret", {**headers, "webhook-id": "n2"}, BODY, NOW),
        ("secret", {**headers, "webhook-timestamp": str(NOW + 1)}, BODY, NOW),
        ("secret", {**headers, "webhook-signature": "v1,"}, BODY, NOW),
        ("secret", {**headers, "webhook-signature": "v0," + headers["webhook-signature"][3:]}, BODY, NOW),
        ("secret", {}, BODY, NOW),
        ("secret", {**headers, "webhook-timestamp": "x"}, BODY, NOW),
        ("secret", {**headers, "webhook-timestamp": "٣"}, BODY, NOW),
        ("secret", headers, BODY, NOW + TOLERANCE_S + 1),
        ("secret", headers, BODY, NOW - TOLERANCE_S - 1),
    ]
    for secret, given, body, now in bad:
        with pytest.raises(Unauthenticated) as refused:
            verify(secret, given, body, now=now)
        assert (refused.value.code, surface_of(refused.value).status) == ("webhook", 401)


def test_while_a_secret_is_changed_either_signature_will_do() -> None:
    old, new = sign("old", "n1", NOW, BODY), sign("new", "n1", NOW, BODY)
    both = {**new, "webhook-signature": f"{old['webhook-signature']} {new['webhook-signature']}"}
    assert verify("old", both, BODY, now=NOW)
    assert verify("new", both, BODY, now=NOW)


def test_a_secret_in_base64_is_its_bytes() -> None:
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    headers = sign(secret, "n1", NOW, BODY)
    assert verify("k" * 32, headers, BODY, now=NOW)
