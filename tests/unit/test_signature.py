"""Signatures of Stripe's webhooks, held to the SDK's own judgement of the same headers."""

import time
from datetime import UTC, datetime
from hashlib import sha256
from hmac import new
from typing import Any

import pytest
import stripe
from hypothesis import example, given
from hypothesis import strategies as st

from credits.errors import InvalidSignature
from credits.payments.signature import verify

SECRET = "whsec_test_secret"
OLD_SECRET = "whsec_secret_before_it_was_rolled"
NOW = 1_795_435_200
BODY = '{"id": "evt_1", "name": "Zoë – 中"}'.encode()


def signed(secret: str = SECRET, *, at: int = NOW, body: bytes = BODY) -> str:
    return new(secret.encode(), f"{at}.".encode() + body, sha256).hexdigest()


def header(secret: str = SECRET, *, at: int = NOW, body: bytes = BODY) -> str:
    return f"t={at},v1={signed(secret, at=at, body=body)}"


def ours(given: str | None, *, secret: str = SECRET, body: bytes = BODY) -> bool:
    try:
        verify(body, given, secret, now=datetime.fromtimestamp(NOW, UTC))
    except InvalidSignature:
        return False
    return True


def theirs(given: str | None, *, secret: str = SECRET, body: bytes = BODY) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, given, secret, stripe.Webhook.DEFAULT_TOLERANCE)
    except stripe.SignatureVerificationError:
        return False
    return True


@pytest.fixture(autouse=True)
def sdk_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK reads the time itself."""
    monkeypatch.setattr(time, "time", lambda: float(NOW))


GOOD = {
    "as Stripe signs": header(),
    "five minutes old": header(at=NOW - 300),
    "from the future": header(at=NOW + 3_600),
    "while the secret is rolled": f"{header()},v1={signed(OLD_SECRET)}",
    "while the secret is rolled, ours second": f"t={NOW},v1={signed(OLD_SECRET)},v1={signed()}",
    "with a scheme of another kind": f"t={NOW},v1={signed()},v0=6ffbb59b2300aae63f272406069a9788",
    "with the time last": f"v1={signed()},t={NOW}",
    "with the time twice, the first counts": f"t={NOW},t=1,v1={signed()}",
    "with a sign before the time": f"t=+{NOW},v1={signed()}",
    "with something after a second equals sign": f"t={NOW},v1={signed()}=x",
}
BAD = {
    "none": None,
    "empty": "",
    "of another secret": header(OLD_SECRET),
    "of another body": header(body=BODY + b" "),
    "of another time": f"t={NOW - 1},v1={signed()}",
    "too old": header(at=NOW - 301),
    "without a time": f"v1={signed()}",
    "with a time that is none": f"t=noon,v1={signed()}",
    "with an empty time": f"t=,v1={signed()}",
    "without a signature": f"t={NOW}",
    "with an empty signature": f"t={NOW},v1=",
    "of another scheme alone": f"t={NOW},v0={signed()}",
    "in capitals": f"t={NOW},v1={signed().upper()}",
    "cut short": header()[:-1],
    "with a space after the comma": f"t={NOW}, v1={signed()}",
    "with a part that is no pair": f"{header()},v1",
    "not a header at all": "Bearer of good news",
}


@pytest.mark.parametrize("given", GOOD.values(), ids=GOOD)
def test_a_signature_is_good_where_the_sdk_says_so(given: str) -> None:
    assert (ours(given), theirs(given)) == (True, True)


@pytest.mark.parametrize("given", BAD.values(), ids=BAD)
def test_a_signature_is_refused_where_the_sdk_refuses_it(given: str | None) -> None:
    assert (ours(given), theirs(given)) == (False, False)


@pytest.mark.parametrize("secret", ["", " ", "\n"])
def test_a_secret_that_is_not_there_yet_signs_nothing(secret: str) -> None:
    given = header(secret)

    assert (ours(given, secret=secret), theirs(given, secret=secret)) == (False, False)


def test_what_the_sdk_signs_is_good() -> None:
    given = stripe.WebhookSignature.generate_signature_header(BODY.decode(), SECRET, timestamp=NOW)

    assert ours(given)


PARTS = st.sampled_from(
    [
        f"t={NOW}",
        f"t={NOW - 301}",
        "t=x",
        "t",
        f"v1={signed()}",
        f"v1={signed(OLD_SECRET)}",
        "v1",
        "v0=ab",
        "",
        "=",
        " ",
    ]
)


@given(st.lists(PARTS, max_size=6).map(",".join) | st.text(st.characters(codec="ascii"), max_size=40))
@example(header())
def test_any_header_is_judged_as_the_sdk_judges_it(given: str) -> None:
    assert ours(given) == theirs(given)


def test_a_signature_of_other_letters_than_hex_is_refused_and_raises_nothing_else() -> None:
    assert not ours(f"t={NOW},v1=é")


def test_every_signature_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[Any] = []

    def compare(expected: bytes, given: bytes) -> bool:
        compared.append(given)
        return expected == given

    monkeypatch.setattr("credits.payments.signature.compare_digest", compare)

    assert ours(f"t={NOW},v1={signed()},v1=another,v1=third")

    assert compared == [signed().encode(), b"another", b"third"]
