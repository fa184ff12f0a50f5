"""Page sessions: what opens a page, and everything that does not."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3
import jwt
import pytest

from credits.access.sessions import AUDIENCE, May, Secret, SecretTooShort, Session, Sessions
from credits.errors import Forbidden, InvalidSession, SessionExpired, Unavailable
from tests.moves import NOON

OLD = "o" * 64
NEW = "n" * 64
STRANGE = "x" * 64

GOOD: dict[str, Any] = {
    "aud": "infuseos-credits/usage-page",
    "sub": "acme",
    "iat": 1_795_435_200,
    "exp": 1_795_436_100,
    "may": [],
    "tz": "UTC",
    "lang": "en-US",
}
"""What a link says that was made at noon."""


class Monotonic:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Monotonic:
    return Monotonic()


@pytest.fixture
def secret_id(moto: None) -> str:  # noqa: ARG001 - it has to be there first
    name = f"session-{uuid4().hex}"
    boto3.client("secretsmanager", region_name="us-east-1").create_secret(Name=name, SecretString=OLD)
    return name


@pytest.fixture
def sessions(secret_id: str, clock: Monotonic) -> Sessions:
    return Sessions(Secret(secret_id, region="us-east-1", monotonic=clock), lasts=timedelta(minutes=15))


def rotate(secret_id: str, value: str = NEW) -> None:
    boto3.client("secretsmanager", region_name="us-east-1").put_secret_value(SecretId=secret_id, SecretString=value)


def signed(secret: str = OLD, *, algorithm: str = "HS256", **changes: Any) -> str:
    claims = {name: value for name, value in (GOOD | changes).items() if value is not None}
    return jwt.encode(claims, secret, algorithm=algorithm)


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def test_a_session_says_what_the_product_said_of_its_reader(sessions: Sessions) -> None:
    opened = sessions.open(
        "acme",
        now=NOON,
        may=[May.PORTAL],
        time_zone="Europe/Berlin",
        locale="de-DE",
        return_url="https://app.example/settings",
    )

    read = sessions.session(opened.token, NOON + timedelta(minutes=1))

    assert read == opened
    assert read == Session(
        account_id="acme",
        expires_at=datetime(2026, 11, 23, 12, 15, tzinfo=UTC),
        token=opened.token,
        may=frozenset({May.PORTAL}),
        time_zone="Europe/Berlin",
        locale="de-DE",
        return_url="https://app.example/settings",
    )


def test_by_itself_a_session_may_start_both_and_leaves_to_the_browser_how_it_is_read(sessions: Sessions) -> None:
    read = sessions.session(sessions.open("acme", now=NOON).token, NOON)

    assert read.may == {May.CHECKOUT, May.PORTAL}
    assert (read.time_zone, read.locale, read.return_url) == (None, None, None)


def test_a_token_is_an_hs256_jwt_with_the_claims_we_require(sessions: Sessions) -> None:
    token = sessions.open("acme", now=NOON).token

    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    claims = jwt.decode(token, OLD, algorithms=["HS256"], audience=AUDIENCE, options={"verify_exp": False})
    assert {name: claims[name] for name in ("aud", "sub", "iat", "exp")} == {
        "aud": "infuseos-credits/usage-page",
        "sub": "acme",
        "iat": 1_795_435_200,
        "exp": 1_795_436_100,
    }


def test_a_session_ends_after_a_quarter_of_an_hour_to_the_second(sessions: Sessions) -> None:
    token = sessions.open("acme", now=NOON).token

    assert sessions.session(token, NOON + timedelta(seconds=899.9)).account_id == "acme"
    for later in (timedelta(minutes=15), timedelta(days=400)):
        with pytest.raises(SessionExpired) as refused:
            sessions.session(token, NOON + later)
        assert (refused.value.code, refused.value.http_status) == ("session_expired", 401)


def test_the_token_is_in_no_repr_and_so_in_no_log(sessions: Sessions) -> None:
    opened = sessions.open("acme", now=NOON)

    assert opened.token not in repr(opened)


def test_the_token_that_the_forgeries_below_begin_from_is_good(sessions: Sessions) -> None:
    assert sessions.session(signed(), NOON).account_id == "acme"


@pytest.mark.parametrize(
    "token",
    [
        None,
        "",
        "nonsense",
        "a.b.c",
        "..",
        "ключ",
        "\x00",
        signed() + "x",
        signed()[:-2],
        signed().rpartition(".")[0],
        signed().rpartition(".")[0] + ".",
        signed() + "," + signed(),
        "Bearer " + signed(),
        signed() + "." * 2_000,
        signed(STRANGE),
        signed("", algorithm="none"),
        signed(algorithm="HS384"),
        signed(algorithm="HS512"),
        signed(aud="infuseos-credits/something-else"),
        signed(aud=["infuseos-credits/usage-page", "elsewhere"]),
        signed(aud=None),
        signed(sub=None),
        signed(exp=None),
        signed(iat=None),
    ],
)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_what_we_did_not_sign_for_this_page_opens_nothing(sessions: Sessions, token: str | None) -> None:
    with pytest.raises(InvalidSession) as refused:
        sessions.session(token, NOON)

    assert (refused.value.code, refused.value.http_status) == ("invalid_session", 401)
    assert refused.value.fields == {}


def test_a_token_whose_account_was_changed_opens_neither_account(sessions: Sessions) -> None:
    header, _, signature = sessions.open("acme", now=NOON).token.split(".")
    forged = ".".join([header, encoded(GOOD | {"sub": "globex"}), signature])

    with pytest.raises(InvalidSession):
        sessions.session(forged, NOON)


def test_a_token_whose_time_was_changed_lives_no_longer(sessions: Sessions) -> None:
    header, _, signature = sessions.open("acme", now=NOON).token.split(".")
    forged = ".".join([header, encoded(GOOD | {"exp": 2_000_000_000}), signature])

    with pytest.raises(InvalidSession):
        sessions.session(forged, NOON)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", "HS384", "RS256", "ES256", None])
def test_a_header_cannot_choose_another_algorithm(sessions: Sessions, alg: str | None) -> None:
    _, claims, signature = signed().split(".")
    for last in (signature, ""):
        with pytest.raises(InvalidSession):
            sessions.session(".".join([encoded({"alg": alg, "typ": "JWT"}), claims, last]), NOON)


def test_every_single_character_of_the_token_counts(sessions: Sessions) -> None:
    token = sessions.open("acme", now=NOON).token

    # The last character of a part has bits that no byte takes up; base64 readers may let those differ.
    for place in range(len(token) - 1):
        other = "A" if token[place] != "A" else "B"
        if token[place + 1] == ".":
            continue
        with pytest.raises(InvalidSession):
            sessions.session(token[:place] + other + token[place + 1 :], NOON)


# Rotation


def test_after_a_rotation_old_links_work_and_new_ones_are_signed_anew(
    sessions: Sessions, secret_id: str, clock: Monotonic
) -> None:
    before = sessions.open("acme", now=NOON).token
    rotate(secret_id)

    clock.seconds = 300
    after = sessions.open("acme", now=NOON).token

    assert sessions.session(before, NOON).account_id == "acme"
    assert sessions.session(after, NOON).account_id == "acme"
    assert jwt.decode(after, NEW, algorithms=["HS256"], audience=AUDIENCE, options={"verify_exp": False})


def test_a_link_that_another_function_signed_with_the_newest_secret_opens_at_once(
    sessions: Sessions, secret_id: str, clock: Monotonic
) -> None:
    sessions.session(signed(OLD), NOON)
    rotate(secret_id)

    clock.seconds = 5
    read = sessions.session(signed(NEW), NOON)

    assert read.account_id == "acme"


def test_after_two_rotations_the_first_secret_opens_nothing(
    sessions: Sessions, secret_id: str, clock: Monotonic
) -> None:
    rotate(secret_id)
    rotate(secret_id, STRANGE)

    clock.seconds = 300

    assert sessions.session(signed(NEW), NOON).account_id == "acme"
    assert sessions.session(signed(STRANGE), NOON).account_id == "acme"
    with pytest.raises(InvalidSession):
        sessions.session(signed(OLD), NOON)


@pytest.fixture
def asked(secret_id: str, clock: Monotonic) -> tuple[Sessions, list[str]]:
    """Sessions, and what their secret was asked for."""
    secret = Secret(secret_id, region="us-east-1", monotonic=clock)
    calls: list[str] = []
    secret._client.meta.events.register(
        "before-call.secrets-manager", lambda model, **_: calls.append(model.name), unique_id="count"
    )
    return Sessions(secret, lasts=timedelta(minutes=15)), calls


def test_the_secret_is_read_once_in_five_minutes_however_many_links_there_are(
    asked: tuple[Sessions, list[str]], clock: Monotonic
) -> None:
    sessions, calls = asked

    for clock.seconds in (0, 1, 60, 299):
        sessions.session(sessions.open("acme", now=NOON).token, NOON)

    assert calls == ["GetSecretValue"] * 2  # the current one, and the one before


def test_forged_links_make_us_look_again_once_in_five_seconds(
    asked: tuple[Sessions, list[str]], clock: Monotonic
) -> None:
    sessions, calls = asked
    for clock.seconds in (10, 11, 12, 13, 14, 15):
        with pytest.raises(InvalidSession):
            sessions.session(signed(STRANGE), NOON)

    assert len(calls) == 4  # at 10 and at 15


@pytest.mark.usefixtures("moto")
def test_a_secret_that_cannot_be_read_is_unavailable_and_not_a_refusal() -> None:
    sessions = Sessions(Secret("never-made", region="us-east-1"), lasts=timedelta(minutes=15))

    with pytest.raises(Unavailable):
        sessions.session(signed(), NOON)


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_nothing_is_signed_or_opened_with_a_secret_that_can_be_guessed(
    sessions: Sessions, secret_id: str, clock: Monotonic
) -> None:
    rotate(secret_id, "short")
    with pytest.raises(SecretTooShort):
        sessions.open("acme", now=NOON)

    rotate(secret_id)
    clock.seconds = 300

    assert sessions.session(signed(NEW), NOON).account_id == "acme"
    with pytest.raises(InvalidSession):
        sessions.session(signed("short"), NOON)


# What a session may start


def test_a_session_starts_what_it_may_and_nothing_else(sessions: Sessions) -> None:
    opened = sessions.open("acme", now=NOON, may=[May.PORTAL])

    opened.require(May.PORTAL)
    with pytest.raises(Forbidden) as refused:
        opened.require(May.CHECKOUT)
    assert refused.value.fields == {"session_needs": "checkout"}
