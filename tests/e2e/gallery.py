"""A gallery of Usage pages: every state of an account as a page at an address of its own, with the page's own files and
under its own headers, so that a browser looks at what a reader would get."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from credits.domain.account import Account, PendingChange, Standing
from credits.domain.grant import Grant, GrantKind
from credits.errors import CreditsError, InvalidSession, NotFound, SessionExpired
from credits.page.order import order_view
from credits.page.reader import reader_of
from credits.payments.checkout import Outcome
from credits.payments.order import Order
from credits.payments.preview import Bill, Preview
from credits.runtime.pages import ASSETS_PATH, PageHeaders
from tests.pages import TOKEN, VIEWS, busy, laid_out, viewed
from tests.unit.books import CATALOG, Book, utc

NOW = utc("2026-11-26 10:00")


def pictures() -> dict[str, str]:
    """The pages, by the name of what they show."""
    pro, free, team = busy(), busy("free", days=16), busy("team", 5)
    subscribed = replace(pro.account, subscription_id="sub_1", knowledge_words=241_300, workflows=6)
    fresh = Book.opened("2026-11-26 09:00")

    def page(book: Book, account: Account, query: Mapping[str, str] | None = None, at: datetime = NOW) -> str:
        return laid_out(viewed(account, book.entries, at, query))

    return {
        "fresh": page(fresh, fresh.account),
        "busy": page(pro, with_extras(subscribed)),
        "low": page(free, with_left(free.account, 9)),
        "exhausted": page(free, replace(with_left(free.account, 0), knowledge_words=52_000, workflows=2)),
        "past-due": page(pro, replace(subscribed, standing=Standing.PAST_DUE, grace_ends_at=utc("2026-11-30 09:00"))),
        "blocked": page(pro, on_hold(subscribed)),
        "unpaid": page(free, replace(free.account, standing=Standing.UNPAID)),
        "team": page(team, replace(team.account, subscription_id="sub_2", pending=fewer_seats(team.account))),
        "conversation": page(pro, subscribed, {"conversation": "chat-4"}),
        "filtered": page(pro, subscribed, {"type": "deep_research", "span": "30d", "from": "soon"}),
        "empty": page(pro, subscribed, {"type": "image_edit", "span": "7d"}),
        "order": an_order(team.account),
        "expired": refused(SessionExpired()),
        "invalid": refused(InvalidSession()),
        "missing": refused(NotFound("There is nothing at this address.")),
        "fault": refused(CreditsError("It was logged, and we will look at it.")),
    }


def an_order(account: Account) -> str:
    """The order of two more seats, of which Stripe says what they cost."""
    order = Order("team", 7)
    bill = Bill(8_167, NOW, (("2 × Team, until December 2", 2_267), ("Tax", 5_900)), utc("2026-12-02 09:05"))
    after = with_left(account, 27_900)
    preview = Preview(
        outcome=Outcome.CHANGED, at=NOW, due_now=bill, due_next=replace(bill, amount_cents=34_300), account=after
    )
    reader = reader_of(language="en-US", accepted=None, zone="UTC")
    return VIEWS.render(
        "order.html",
        order=order_view(preview, order, account, CATALOG, reader),
        token=TOKEN,
        key="page-1",
        carried=(("session", TOKEN),),
        back="/busy",
        portal=True,
        most_seats=1_000,
    )


def with_left(account: Account, credits: int) -> Account:
    """The account with so many credits left of its allocation."""
    grants = tuple(replace(grant, remaining=credits) for grant in account.grants) if credits else ()
    return replace(account, grants=grants)


def with_extras(account: Account) -> Account:
    """The account with a pack, and with credits set aside by a hold."""
    *others, allocation = account.grants
    held = replace(allocation, remaining=allocation.remaining - 75, held=75)
    return replace(account, grants=(*others, held, Grant("g900", GrantKind.PACK, 400, 310)))


def on_hold(account: Account) -> Account:
    """The account after its days of grace: what the last invoice should have paid for is frozen."""
    frozen = Grant("g3", GrantKind.ALLOCATION, 1_000, 0, frozen=640, expires_at=account.period.end)
    return replace(account, standing=Standing.PAST_DUE, grace_ends_at=utc("2026-11-24 09:00"), grants=(frozen,))


def fewer_seats(account: Account) -> PendingChange:
    return PendingChange("team", 3, account.period.end)


def refused(error: CreditsError) -> str:
    return VIEWS.render("problem.html", error=error, back=None if isinstance(error, InvalidSession) else "/fresh")


@contextmanager
def gallery() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Serves the pictures until the end of the block: at which address, and their names."""
    shown = pictures()
    headers = PageHeaders(frame_ancestors="'none'", payment_origins="https://checkout.stripe.com").lines

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path.startswith(ASSETS_PATH):
                asset = VIEWS.asset(path.removeprefix(f"{ASSETS_PATH}/"))
                self._answer(HTTPStatus.OK, asset.content_type, asset.text)
            elif path.strip("/") in shown:
                self._answer(HTTPStatus.OK, "text/html; charset=utf-8", shown[path.strip("/")])
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", "")

        def _answer(self, status: HTTPStatus, content_type: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """The tests' output is pytest's."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", tuple(shown)
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
