"""The Usage page as API Gateway gets it: who sees what, and under which headers."""

import re
from datetime import timedelta
from io import StringIO
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from credits.runtime.telemetry import logger
from tests.functions import Answer
from tests.integration.conftest import Stack
from tests.moves import NOON


def linked(stack: Stack, account_path: str, **reader: object) -> str:
    """The token in a new link to the account's page."""
    answer = stack.call("POST", f"{account_path}/usage-sessions", reader)
    assert answer.status == 201
    url: str = answer.body["url"]
    return parse_qs(urlsplit(url).query)["session"][0]


def page(stack: Stack, token: str | None, **query: str) -> Answer:
    """What a browser gets that follows a link with this token, and sends no key."""
    session = {} if token is None else {"session": token}
    return stack.functions.call("GET", "/usage", query=session | query)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What the functions log."""
    written = StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", written)
    return written


# The link


def test_a_link_is_answered_with_its_end_in_a_quarter_of_an_hour(stack: Stack) -> None:
    headers = {"host": "credits.infuseos.example"}

    answer = stack.call("POST", f"{stack.opened()}/usage-sessions", {}, headers=headers)

    assert answer.status == 201
    assert answer.body["expires_at"] == "2026-11-23T12:15:00.000Z"
    assert re.fullmatch(r"http://credits\.infuseos\.example/usage\?session=[\w-]+\.[\w-]+\.[\w-]+", answer.body["url"])
    assert answer.headers["cache-control"] == "no-store"


def test_there_is_no_link_to_an_account_that_is_not_there(stack: Stack) -> None:
    answer = stack.call("POST", "/v1/accounts/nobody/usage-sessions", {})

    assert (answer.status, answer.body["code"]) == (404, "account_not_found")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"may": ["refund"]}, "may.0"),
        ({"may": ["portal", "portal", "checkout"]}, "may"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"time_zone": ""}, "time_zone"),
        ({"locale": "german"}, "locale"),
        ({"locale": '"><script>'}, "locale"),
        ({"return_url": "javascript:alert(1)"}, "return_url"),
        ({"return_url": "https://app.example/ x"}, "return_url"),
        ({"return_url": f"https://app.example/{'x' * 500}"}, "return_url"),
        ({"account_id": "globex"}, "account_id"),
    ],
)
def test_a_link_for_a_reader_that_cannot_be_is_400(stack: Stack, body: dict[str, object], field: str) -> None:
    answer = stack.call("POST", f"{stack.opened()}/usage-sessions", body)

    assert (answer.status, answer.body["code"], answer.body["field"]) == (400, "invalid_request", field)


# Who sees what


def test_the_page_shows_the_account_that_the_link_was_made_for(stack: Stack) -> None:
    path = stack.opened()
    stack.charged(path, "m1")

    answer = page(stack, linked(stack, path, locale="de-DE"))

    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<b>299</b>" in answer.text


def test_a_link_reads_no_other_account_whatever_its_query_says(stack: Stack) -> None:
    mine, other = stack.opened(), stack.opened()
    stack.charged(other, "much", action="deep_research")
    token = linked(stack, mine)

    answer = page(stack, token, account_id=other.rpartition("/")[2], account=other.rpartition("/")[2])

    assert answer.status == 200
    assert "<b>280</b>" not in answer.text
    assert "<b>300</b>" in answer.text


def test_a_session_is_no_key(stack: Stack) -> None:
    path = stack.opened()
    token = linked(stack, path)

    for authorization in (token, f"Bearer {token}"):
        answer = stack.functions.call("GET", path, headers={"authorization": authorization})
        assert (answer.status, answer.body["code"]) == (401, "unauthenticated")


def test_a_key_is_no_session(stack: Stack) -> None:
    stack.opened()

    assert page(stack, stack.everything).status == 401
    assert stack.functions.call("GET", "/usage", api_key=stack.everything).status == 401


def test_an_expired_link_is_told_kindly_what_to_do_with_401(stack: Stack) -> None:
    token = linked(stack, stack.opened())
    stack.now = NOON + timedelta(minutes=15)

    answer = page(stack, token)

    assert (answer.status, answer.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert "This link has expired" in answer.text
    assert "open Usage again" in answer.text


@pytest.mark.parametrize(
    "token",
    [
        None,
        "",
        "nonsense",
        "<script>alert(1)</script>",
        jwt.encode({"aud": "infuseos-credits/usage-page", "sub": "acme"}, "x" * 64),
        f"eyJhbGciOiJub25lIn0.{jwt.encode({'sub': 'acme'}, 'x' * 64).split('.')[1]}.",
    ],
)
def test_a_link_that_is_none_of_ours_is_told_kindly_with_401(stack: Stack, token: str | None) -> None:
    answer = page(stack, token)

    assert (answer.status, answer.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert "This link is not valid" in answer.text
    assert "<script>" not in answer.text


def test_two_links_in_one_address_are_none(stack: Stack) -> None:
    token = linked(stack, stack.opened())

    answer = stack.functions.call("GET", f"/usage?session={token}&session={token}")

    assert answer.status == 401


# Under which headers


def test_the_page_runs_nothing_but_its_own_files_is_kept_nowhere_and_tells_nobody_its_address(stack: Stack) -> None:
    answer = page(stack, linked(stack, stack.opened()))

    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self' https://checkout.stripe.com; frame-ancestors https://app.infuseos.example; base-uri 'none'"
    )
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_refusal_has_the_same_headers(stack: Stack) -> None:
    good, bad = page(stack, linked(stack, stack.opened())), page(stack, "nonsense")

    for name in ("content-security-policy", "cache-control", "referrer-policy", "x-content-type-options"):
        assert bad.headers[name] == good.headers[name]


def test_nothing_in_the_page_is_inline_or_from_elsewhere(stack: Stack) -> None:
    text = page(stack, linked(stack, stack.opened())).text

    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son\w+=|javascript:", text)
    assert not re.search(r"""(?:src|href|action)=["'](?:https?:)?//""", text)


def test_an_asset_has_a_name_of_its_own_content_and_is_kept_for_ever(stack: Stack) -> None:
    text = page(stack, linked(stack, stack.opened())).text
    paths = re.findall(r'(?:href|src)="(/usage/assets/[^"]+)"', text)

    assert paths
    for path in paths:
        assert re.fullmatch(r"/usage/assets/[a-z-]+\.[0-9a-f]{10}\.(css|js|svg)", path)
        asset = stack.functions.call("GET", path)
        assert asset.status == 200
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert asset.headers["x-content-type-options"] == "nosniff"
        assert asset.text


@pytest.mark.parametrize("name", ["usage.css", "usage.0123456789.css", "app.py", "..", "x"])
def test_no_other_file_is_an_asset(stack: Stack, name: str) -> None:
    answer = stack.functions.call("GET", f"/usage/assets/{name}")

    assert answer.status == 404
    assert answer.headers["cache-control"] == "no-store"


# What is logged


def test_a_log_line_names_the_account_and_never_the_token(stack: Stack, log: StringIO) -> None:
    path = stack.opened()
    token = linked(stack, path)
    page(stack, token)
    page(stack, token[:-4])
    page(stack, f"{token},{token}")

    lines = log.getvalue()
    assert f'"account_id":"{path.rpartition("/")[2]}"' in lines.replace(": ", ":")
    assert '"route":"GET /usage"' in lines.replace(": ", ":")
    for part in token.split("."):
        assert part not in lines


# The badge


@pytest.mark.parametrize(
    ("spent", "balance"),
    [
        (0, {"remaining": 300, "total": 300, "state": "ok"}),
        (289, {"remaining": 11, "total": 300, "state": "ok"}),
        (290, {"remaining": 10, "total": 300, "state": "low"}),
        (300, {"remaining": 0, "total": 300, "state": "exhausted"}),
    ],
)
def test_the_badge_reads_what_is_left_of_how_much_and_how_that_is(
    stack: Stack, spent: int, balance: dict[str, object]
) -> None:
    path = stack.opened()
    if spent:
        stack.charged(path, "spent", quantity=spent)

    answer = stack.functions.call("GET", "/usage/balance", query={"session": linked(stack, path)})

    assert answer.status == 200
    assert answer.body == balance | {"resets_at": "2026-12-23T12:00:00.000Z"}
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


def test_the_badge_hears_of_an_expired_session_in_a_problem_that_every_origin_can_read(stack: Stack) -> None:
    token = linked(stack, stack.opened())
    stack.now = NOON + timedelta(minutes=15)

    answer = stack.functions.call("GET", "/usage/balance", query={"session": token})

    assert (answer.status, answer.body["code"]) == (401, "session_expired")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["access-control-allow-origin"] == "*"


def test_the_page_itself_is_read_by_no_other_origin(stack: Stack) -> None:
    assert "access-control-allow-origin" not in page(stack, linked(stack, stack.opened())).headers


def test_the_badge_is_one_small_script_that_needs_no_session(stack: Stack) -> None:
    answer = stack.functions.call("GET", "/usage/badge.js")

    assert (answer.status, answer.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert len(answer.text) <= 6_000
    assert "import " not in answer.text
