"""A stand-in for Stripe: its API in the shape of 2026-10-28.endive, its hosted pages, and its webhooks.

The real `stripe` SDK drives it through `base_addresses`. Everything is worked out in one process, from a clock that is
handed in, so that a year of billing takes a moment and the same seed gives the same ids.

    engine.py         the whole of it, without a socket: requests, what people and banks do, the passing of time
    state.py          every object, the events they made, and what is due when
    fault.py          Stripe's error bodies
    params.py         what a request says, read strictly
    expand.py         `expand[]`: ids in the place of which the objects are shown
    paging.py         lists
    customers.py      customers; methods.py: their payment methods, and Stripe's test cards
    catalog.py        products and prices
    subscriptions.py  subscriptions: created, read and changed
    items.py          their items and periods; change.py: what a change does; ending.py: pauses and ends
    proration.py      what a change in mid-period credits and charges
    renewal.py        what the passing of time does to subscriptions
    schedules.py      subscription schedules
    invoices.py       invoices and their lines: finalized, paid, retried; preview.py: those that are only asked for
    payments.py       payment intents, charges, refunds, disputes
    checkout.py       Checkout sessions; portal.py: customer portal sessions and configurations
    endpoints.py      webhook endpoints
    period.py         billing periods

    api.py            the API as HTTP carries it
    pages.py          the hosted pages: Checkout, portal, invoices, and a dashboard
    delivery.py       signed webhooks, their retries, and what can go wrong with them
    site.py           all of it, served
"""
