"""Webhook endpoints: where events are delivered, and which."""

from urllib.parse import urlsplit

from local.stripe.paging import PAGING, newest
from local.stripe.params import Params
from local.stripe.state import API_VERSION, State, Thing, require


def create(state: State, params: Params) -> Thing:
    """A new endpoint. Its secret is shown this once."""
    params.only("url", "enabled_events", "description", "metadata", "api_version", "connect")
    events = params.texts("enabled_events")
    require(bool(events), "Missing required param: enabled_events.", param="enabled_events", code="parameter_missing")
    secret = state.new_id("webhook_secret")
    endpoint: Thing = {
        "id": state.new_id("webhook_endpoint"),
        "object": "webhook_endpoint",
        "api_version": params.text("api_version"),
        "application": None,
        "created": state.instant,
        "description": params.text("description"),
        "enabled_events": events,
        "livemode": False,
        "metadata": params.metadata(),
        "status": "enabled",
        "url": _url(params),
    }
    require(
        endpoint["api_version"] in {None, API_VERSION}, f"The stand-in has {API_VERSION} alone.", param="api_version"
    )
    state.add(endpoint, secret=secret)
    return {**endpoint, "secret": secret}


def retrieve(state: State, _: Params, name: str) -> Thing:
    return state.get("webhook_endpoint", name)


def update(state: State, params: Params, name: str) -> Thing:
    params.only("url", "enabled_events", "description", "metadata", "disabled")
    endpoint = state.require_alive(state.get("webhook_endpoint", name))
    if "url" in params:
        endpoint["url"] = _url(params)
    if "enabled_events" in params:
        endpoint["enabled_events"] = params.texts("enabled_events")
    if "disabled" in params:
        endpoint["status"] = "disabled" if params.boolean("disabled") else "enabled"
    endpoint["description"] = params.text("description", endpoint["description"])
    endpoint["metadata"] = params.metadata(endpoint["metadata"])
    return endpoint


def delete(state: State, params: Params, name: str) -> Thing:
    params.only()
    return state.remove(state.require_alive(state.get("webhook_endpoint", name)))


def list_all(state: State, params: Params) -> Thing:
    params.only(*PAGING, "created")
    return newest(state, "webhook_endpoint", params, "/v1/webhook_endpoints")


def _url(params: Params) -> str:
    url = params.required("url")
    require(urlsplit(url).scheme in {"http", "https"}, "Invalid URL: an explicit scheme must be provided.", param="url")
    return url


# Events


def retrieve_event(state: State, _: Params, name: str) -> Thing:
    return state.get("event", name)


def list_events(state: State, params: Params) -> Thing:
    """Newest first, those of the last 30 days, as Stripe keeps them."""
    params.only("type", "types", "created", "delivery_success", *PAGING)
    kinds = params.texts("types") or params.texts("type")
    delivered = params.text("delivery_success")
    oldest = state.instant - EVENTS_KEPT_SECONDS

    def matches(event: Thing) -> bool:
        return (
            event["created"] >= oldest
            and (not kinds or any(_is_kind(event["type"], kind) for kind in kinds))
            and (delivered is None or (event["pending_webhooks"] == 0) == (delivered == "true"))
        )

    return newest(state, "event", params, "/v1/events", matches)


# "Retrieving an Event is possible for 30 days."
EVENTS_KEPT_SECONDS = 30 * 86_400


def _is_kind(kind: str, pattern: str) -> bool:
    return kind.startswith(pattern[:-1]) if pattern.endswith("*") else kind == pattern
