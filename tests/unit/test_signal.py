"""Signals: what is made of the body of a webhook, and what the queue carries of it."""

import json
from inspect import getsource
from typing import Any

import pytest
from stripe.params._webhook_endpoint_create_params import WebhookEndpointCreateParams

from credits.errors import InvalidRequest
from credits.payments.signal import HANDLED, MOST_MESSAGE_BYTES, Signal, read_event

PAID = {
    "id": "evt_1",
    "object": "event",
    "api_version": "2026-10-28.endive",
    "created": 1_795_435_200,
    "livemode": False,
    "type": "invoice.paid",
    "data": {"object": {"id": "in_1", "object": "invoice", "customer": "cus_1", "amount_paid": 2_900}},
}


def read(event: Any) -> Signal | None:
    return read_event(json.dumps(event).encode(), livemode=False)


def about(kind: str, found: Any) -> Signal:
    signal = read(PAID | {"type": kind, "data": {"object": found}})
    assert signal
    return signal


def test_a_signal_names_the_event_and_its_object_and_brings_the_object() -> None:
    assert read(PAID) == Signal(
        event_id="evt_1",
        type="invoice.paid",
        created=1_795_435_200,
        object_id="in_1",
        object_type="invoice",
        customer_id="cus_1",
        payload={"id": "in_1", "object": "invoice", "customer": "cus_1", "amount_paid": 2_900},
    )


def test_a_message_is_read_as_what_was_written() -> None:
    signal = about("charge.refunded", {"id": "ch_1", "object": "charge", "customer": None, "name": "Zoë"})

    assert Signal.from_message(signal.to_message()) == signal


def test_a_message_is_short_json() -> None:
    assert about("charge.refunded", {"id": "ch_1", "object": "charge"}).to_message() == (
        '{"event_id":"evt_1","type":"charge.refunded","created":1795435200,"object_id":"ch_1","object_type":"charge",'
        '"customer_id":null,"payload":{"id":"ch_1","object":"charge"}}'
    )


def test_a_payload_that_is_too_large_for_a_message_stays_away() -> None:
    signal = about("invoice.paid", {"id": "in_1", "object": "invoice", "customer": "cus_1", "lines": "é" * 50_000})
    message = signal.to_message()

    assert len(message) <= MOST_MESSAGE_BYTES == 262_144
    read_back = Signal.from_message(message)
    assert (read_back.object_id, read_back.customer_id, read_back.payload) == ("in_1", "cus_1", None)


def test_what_a_customer_is_told_of_is_one_group_and_so_in_order() -> None:
    invoice = about("invoice.paid", {"id": "in_1", "object": "invoice", "customer": "cus_1"})
    expanded = about("charge.refunded", {"id": "ch_1", "object": "charge", "customer": {"id": "cus_1", "name": "Zoë"}})
    deleted = about("customer.deleted", {"id": "cus_1", "object": "customer"})

    assert (invoice.group, expanded.group, deleted.group) == ("cus_1", "cus_1", "cus_1")


def test_what_names_no_customer_is_a_group_of_its_own() -> None:
    assert about("charge.dispute.created", {"id": "du_1", "object": "dispute", "charge": "ch_1"}).group == "du_1"


@pytest.mark.parametrize("kind", ["customer.updated", "invoice.created", "balance.available", "brand.new.type"])
def test_a_type_that_changes_nothing_here_has_no_signal(kind: str) -> None:
    assert read(PAID | {"type": kind}) is None


def test_an_unhandled_type_may_bring_anything() -> None:
    assert read(PAID | {"type": "balance.available", "data": {"object": {"object": "balance"}}}) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        b"[" * 100_000,
        json.dumps(PAID | {"data": {}}).encode(),
        json.dumps(PAID | {"data": {"object": {"object": "invoice"}}}).encode(),
        json.dumps(PAID | {"data": {"object": {"id": "", "object": "invoice"}}}).encode(),
        json.dumps(PAID | {"data": {"object": {"id": "in_1", "object": "invoice", "customer": 7}}}).encode(),
        json.dumps(PAID | {"id": None}).encode(),
        json.dumps(PAID | {"created": "noon"}).encode(),
        json.dumps(PAID | {"type": ["invoice.paid"]}).encode(),
    ],
    ids=lambda body: body[:30],
)
def test_a_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_event(body, livemode=False)


def test_a_thin_event_of_the_second_api_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"object: is 'v2.core.event', not an event"):
        read(PAID | {"object": "v2.core.event"})


@pytest.mark.parametrize("livemode", [True, False])
def test_a_stack_takes_events_of_its_own_mode_alone(livemode: bool) -> None:
    live = json.dumps(PAID | {"livemode": True}).encode()
    test = json.dumps(PAID).encode()
    own, other = (live, test) if livemode else (test, live)

    assert read_event(own, livemode=livemode)
    with pytest.raises(InvalidRequest) as refused:
        read_event(other, livemode=livemode)
    assert refused.value.fields["field"] == "livemode"


def test_the_mode_counts_for_types_that_change_nothing_as_well() -> None:
    with pytest.raises(InvalidRequest):
        read(PAID | {"type": "customer.updated", "livemode": True})


@pytest.mark.parametrize("kind", sorted(HANDLED))
def test_a_type_that_is_handled_is_one_that_an_endpoint_can_subscribe_to(kind: str) -> None:
    assert f'"{kind}"' in getsource(WebhookEndpointCreateParams)
