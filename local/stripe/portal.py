"""The customer portal: configurations, sessions, and what people do on its page."""

from local.stripe import customers, ending, invoices, methods, schedules, standing, subscriptions
from local.stripe.change import PRORATIONS
from local.stripe.fault import invalid
from local.stripe.paging import PAGING, newest
from local.stripe.params import Params
from local.stripe.state import State, Thing, require

FEATURES = (
    *("customer_update", "invoice_history", "payment_method_update", "subscription_cancel", "subscription_pause"),
    "subscription_update",
)
FLOWS = ("payment_method_update", "subscription_cancel", "subscription_update", "subscription_update_confirm")

# How often an interval comes in a year, for the question whether a change makes it shorter.
TIMES_A_YEAR = {"day": 365, "week": 52, "month": 12, "year": 1}


# Configurations


def create_configuration(state: State, params: Params) -> Thing:
    params.only("features", "business_profile", "default_return_url", "metadata", "login_page", "name")
    params.part("features").only(*FEATURES)
    configuration = _configuration(state, params, default=False)
    state.emit("billing_portal.configuration.created", configuration)
    return configuration


def create_default(state: State) -> None:
    """The default configuration, as somebody saves it in the Dashboard: everything but another plan."""
    features: Thing = {
        "customer_update": {"enabled": "true", "allowed_updates": ["email", "name"]},
        "invoice_history": {"enabled": "true"},
        "payment_method_update": {"enabled": "true"},
        "subscription_cancel": {"enabled": "true", "mode": "at_period_end"},
    }
    _configuration(state, Params({"features": features}), default=True)


def retrieve_configuration(state: State, _: Params, name: str) -> Thing:
    return state.get("billing_portal.configuration", name)


def update_configuration(state: State, params: Params, name: str) -> Thing:
    params.only("features", "business_profile", "default_return_url", "metadata", "login_page", "name", "active")
    configuration = state.get("billing_portal.configuration", name)
    metadata = params.metadata(configuration["metadata"])
    features = _features(state, params, configuration["features"])
    with state.changing(configuration, "billing_portal.configuration.updated"):
        configuration |= {"metadata": metadata, "features": features}
        configuration["active"] = params.boolean("active", default=configuration["active"])
        for field in ("default_return_url", "name"):
            if field in params:
                configuration[field] = params.text(field)
        profile = params.mapping("business_profile")
        configuration["business_profile"] = {**configuration["business_profile"], **profile}
    configuration["updated"] = state.instant
    return configuration


def list_configurations(state: State, params: Params) -> Thing:
    params.only("active", "is_default", "created", *PAGING)
    flags = {name: params.boolean(name) for name in ("active", "is_default") if name in params}
    url = "/v1/billing_portal/configurations"

    def matches(configuration: Thing) -> bool:
        return all(configuration[name] == value for name, value in flags.items())

    return newest(state, "billing_portal.configuration", params, url, matches)


def _configuration(state: State, params: Params, *, default: bool) -> Thing:
    configuration: Thing = {
        "id": state.new_id("billing_portal.configuration"),
        "object": "billing_portal.configuration",
        "active": True,
        "application": None,
        "business_profile": {
            "headline": None,
            "privacy_policy_url": None,
            "terms_of_service_url": None,
            **params.mapping("business_profile"),
        },
        "created": state.instant,
        "default_return_url": params.text("default_return_url"),
        "features": _features(state, params, None),
        "is_default": default,
        "livemode": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": params.metadata(),
        "name": params.text("name"),
        "updated": state.instant,
    }
    return state.add(configuration)


def _features(state: State, params: Params, present: Thing | None) -> Thing:
    """The features after the request: each that it names, and the others as they were, or off."""
    given = params.part("features")
    features = dict(present or _none())
    if "customer_update" in given:
        part = given.part("customer_update")
        features["customer_update"] = {
            "allowed_updates": part.texts("allowed_updates"),
            "enabled": part.boolean("enabled"),
        }
    if "invoice_history" in given:
        features["invoice_history"] = {"enabled": given.part("invoice_history").boolean("enabled")}
    if "payment_method_update" in given:
        enabled = given.part("payment_method_update").boolean("enabled")
        features["payment_method_update"] = {"enabled": enabled, "payment_method_configuration": None}
    if "subscription_cancel" in given:
        features["subscription_cancel"] = _cancel_feature(given.part("subscription_cancel"))
    if "subscription_update" in given:
        features["subscription_update"] = _update_feature(state, given.part("subscription_update"))
    return features


def _cancel_feature(part: Params) -> Thing:
    part.only("enabled", "mode", "proration_behavior", "cancellation_reason")
    reason = part.part("cancellation_reason")
    return {
        "cancellation_reason": {"enabled": reason.boolean("enabled"), "options": reason.texts("options")},
        "enabled": part.boolean("enabled"),
        "mode": part.choice("mode", ("at_period_end", "immediately"), "at_period_end"),
        "proration_behavior": part.choice("proration_behavior", PRORATIONS, "none"),
    }


def _update_feature(state: State, part: Params) -> Thing:
    part.only(
        *("enabled", "default_allowed_updates", "products", "proration_behavior", "billing_cycle_anchor"),
        *("schedule_at_period_end", "trial_update_behavior"),
    )
    products = []
    for each in part.parts("products"):
        each.only("product", "prices", "adjustable_quantity")
        quantity = each.part("adjustable_quantity")
        product = state.referred("product", each.required("product"), "features[subscription_update][products]")
        prices = [
            state.referred("price", name, "features[subscription_update][products]") for name in each.texts("prices")
        ]
        require(bool(prices), "A product of the portal has at least one price.")
        require(all(price["product"] == product["id"] for price in prices), "The prices must be the product's.")
        products.append(
            {
                "adjustable_quantity": {
                    "enabled": quantity.boolean("enabled"),
                    "maximum": quantity.integer("maximum"),
                    "minimum": quantity.integer("minimum", 1),
                },
                "prices": [price["id"] for price in prices],
                "product": product["id"],
            }
        )
    later = part.part("schedule_at_period_end")
    conditions = [{"type": each.required("type")} for each in later.parts("conditions")]
    return {
        "billing_cycle_anchor": part.text("billing_cycle_anchor"),
        "default_allowed_updates": part.texts("default_allowed_updates"),
        "enabled": part.boolean("enabled"),
        "products": products,
        "proration_behavior": part.choice("proration_behavior", PRORATIONS, "none"),
        "schedule_at_period_end": {"conditions": conditions},
        "trial_update_behavior": part.choice("trial_update_behavior", ("continue_trial", "end_trial"), "end_trial"),
    }


def _none() -> Thing:
    return {
        "customer_update": {"allowed_updates": [], "enabled": False},
        "invoice_history": {"enabled": False},
        "payment_method_update": {"enabled": False, "payment_method_configuration": None},
        "subscription_cancel": _cancel_feature(Params({})),
        "subscription_pause": {"duration": {"interval_options": [], "type": "indefinite"}, "enabled": False},
        "subscription_update": {
            "billing_cycle_anchor": None,
            "default_allowed_updates": [],
            "enabled": False,
            "products": [],
            "proration_behavior": "none",
            "schedule_at_period_end": {"conditions": []},
            "trial_update_behavior": "end_trial",
        },
    }


# Sessions


def create_session(state: State, params: Params) -> Thing:
    params.only("customer", "return_url", "configuration", "flow_data", "locale")
    customer = state.referred("customer", params.required("customer"), "customer")
    name = params.text("configuration")
    if name is None:
        configuration = next((each for each in state.all("billing_portal.configuration") if each["is_default"]), None)
    else:
        configuration = state.referred("billing_portal.configuration", name, "configuration")
    if configuration is None:
        raise invalid(
            "No configuration provided and your test mode default configuration has not been created. Provide a "
            "configuration or create your default by saving your customer portal settings in test mode."
        )
    require(configuration["active"], "The configuration is not active.", param="configuration")
    secret = state.new_id("billing_portal.session")
    session: Thing = {
        "id": secret,
        "object": "billing_portal.session",
        "after_expiration": None,
        "configuration": configuration["id"],
        "created": state.instant,
        "customer": customer["id"],
        "customer_account": None,
        "flow": _flow(state, params),
        "livemode": False,
        "locale": params.text("locale"),
        "on_behalf_of": None,
        "return_url": params.text("return_url", configuration["default_return_url"]),
        "url": f"{state.origin}/pages/portal/{secret}",
    }
    state.add(session)
    state.emit("billing_portal.session.created", session)
    return session


def _flow(state: State, params: Params) -> Thing | None:
    if "flow_data" not in params:
        return None
    given = params.part("flow_data")
    given.only("type", "after_completion", "subscription_cancel", "subscription_update", "subscription_update_confirm")
    kind = given.choice("type", FLOWS, given.required("type"))
    flow: Thing = {name: None for name in FLOWS if name != "payment_method_update"} | {"type": kind}
    after = given.mapping("after_completion") or {"type": "portal_homepage"}
    flow["after_completion"] = {"hosted_confirmation": None, "redirect": None, **after}
    if kind != "payment_method_update":
        part = given.part(kind)
        name = part.required("subscription")
        state.referred("subscription", name, f"flow_data[{kind}][subscription]")
        flow[kind] = {"subscription": name}
        if kind == "subscription_update_confirm":
            flow[kind] |= {
                "discounts": None,
                "items": [
                    {"id": each.text("id"), "price": each.text("price"), "quantity": each.integer("quantity")}
                    for each in part.parts("items")
                ],
            }
    return flow


# What people do on the page


def feature(state: State, session: Thing, name: str) -> Thing:
    """A feature of the session's configuration. Raises a 400 where it is off."""
    configuration = state.objects[session["configuration"]]
    found: Thing = configuration["features"][name]
    require(found["enabled"], f"The portal is not configured for {name}.")
    return found


def change(state: State, session: Thing, subscription: Thing, *, price: Thing, quantity: int) -> None:
    """Another plan or number of seats: now, or at the period's end where the configuration says so of this change.

    Raises a 402 where the payment that it calls for is declined; nothing has changed then.
    """
    how = feature(state, session, "subscription_update")
    require(
        subscription["status"] in standing.RUNNING, f"A subscription that is {subscription['status']} stays as it is."
    )
    item = subscription["items"]["data"][0]
    allowed = [name for each in how["products"] for name in each["prices"]]
    require(not allowed or price["id"] in allowed, "The portal does not offer this price.")
    updates = how["default_allowed_updates"]
    require(price["id"] == item["price"]["id"] or "price" in updates, "The portal does not offer another plan.")
    adjustable = any(
        each["adjustable_quantity"]["enabled"] for each in how["products"] if price["id"] in each["prices"]
    )
    seats_move = quantity != item["quantity"] and price["id"] == item["price"]["id"]
    require(not seats_move or "quantity" in updates or adjustable, "The portal does not offer another quantity.")
    schedules.release_from(state, subscription)
    if _is_later(how, item, price, quantity):
        _schedule(state, subscription, price, quantity)
        return
    wanted: Thing = {
        "items": [{"id": item["id"], "price": price["id"], "quantity": str(quantity)}],
        "proration_behavior": how["proration_behavior"],
        "payment_behavior": "error_if_incomplete",
    }
    if how["billing_cycle_anchor"] is not None:
        wanted["billing_cycle_anchor"] = {"type": how["billing_cycle_anchor"]}
    subscriptions.update(state, Params(wanted), subscription["id"])


def foreseen(state: State, session: Thing, subscription: Thing, *, price: Thing, quantity: int) -> int | None:
    """The cents that the change would cost at once; None where it would wait for the period's end.

    It is tried on a copy of the customer. Raises StripeFault where it could not be made.
    """
    fork = state.fork(session["customer"])
    fork.objects |= {session["id"]: session}
    copy = fork.objects[subscription["id"]]
    change(fork, session, copy, price=price, quantity=quantity)
    if copy["schedule"] is not None:
        return None
    new = copy["latest_invoice"] != subscription["latest_invoice"]
    return int(fork.objects[copy["latest_invoice"]]["amount_paid"]) if new else 0


def confirmed(state: State, session: Thing, subscription: Thing) -> tuple[Thing, int]:
    """The price and the quantity that a flow asks somebody to confirm."""
    (wanted,) = session["flow"]["subscription_update_confirm"]["items"]
    item = next(each for each in subscription["items"]["data"] if each["id"] == wanted["id"])
    price = state.objects[wanted["price"]] if wanted["price"] else item["price"]
    return price, item["quantity"] if wanted["quantity"] is None else wanted["quantity"]


def _is_later(how: Thing, item: Thing, price: Thing, quantity: int) -> bool:
    """Whether a condition of the configuration holds that moves the change to the period's end."""
    was, new = item["price"], price
    conditions = {each["type"] for each in how["schedule_at_period_end"]["conditions"]}
    decreasing = new["unit_amount"] * quantity < was["unit_amount"] * item["quantity"]
    often, before = (
        TIMES_A_YEAR[each["recurring"]["interval"]] / each["recurring"]["interval_count"] for each in (new, was)
    )
    return ("decreasing_item_amount" in conditions and decreasing) or (
        "shortening_interval" in conditions and often > before
    )


def _schedule(state: State, subscription: Thing, price: Thing, quantity: int) -> None:
    schedule = schedules.begun(state, subscription, metadata={})
    (present,) = schedule["phases"]
    now = {
        "items": [
            {"price": each["price"], "quantity": str(each["quantity"]), "metadata": each["metadata"]}
            for each in present["items"]
        ],
        "start_date": str(present["start_date"]),
        "end_date": str(present["end_date"]),
    }
    then = {"items": [{"price": price["id"], "quantity": str(quantity)}], "proration_behavior": "none"}
    schedules.update(state, Params({"phases": [now, then], "end_behavior": "release"}), schedule["id"])


def cancel(state: State, session: Thing, subscription: Thing, *, feedback: str | None = None) -> None:
    """Cancels as the configuration says. At the period's end, that is a `cancel_at`, and no flag."""
    how = feature(state, session, "subscription_cancel")
    schedules.release_from(state, subscription)
    if how["mode"] == "immediately":
        prorate = how["proration_behavior"] != "none"
        now = how["proration_behavior"] == "always_invoice"
        ending.finish(state, subscription, prorate=prorate, invoice_now=now)
        return
    with state.changing(subscription, "customer.subscription.updated"):
        ends = max(item["current_period_end"] for item in subscription["items"]["data"])
        ending.set_cancel_at(state, subscription, ends)
        subscription["cancellation_details"] = {**subscription["cancellation_details"], "feedback": feedback}
    standing.schedule_next(state, subscription)


def keep(state: State, session: Thing, subscription: Thing) -> None:
    """Takes back a cancellation, or a change that waits for the period's end."""
    feature(state, session, "subscription_update" if subscription["schedule"] else "subscription_cancel")
    schedules.release_from(state, subscription)
    with state.changing(subscription, "customer.subscription.updated"):
        ending.set_cancel_at(state, subscription, None)
    standing.schedule_next(state, subscription)


def use_method(state: State, session: Thing, method_name: str) -> None:
    """Saves a payment method and charges it from now on. Raises a 402 where its bank does not let it be saved."""
    feature(state, session, "payment_method_update")
    customer = state.referred("customer", session["customer"], "customer")
    method = methods.attached(state, method_name, customer)
    settings = Params({"invoice_settings": {"default_payment_method": method["id"]}})
    customers.update(state, settings, customer["id"])
    for subscription in list(state.all("subscription")):
        if subscription["customer"] == customer["id"] and subscription["status"] not in standing.ENDED:
            with state.changing(subscription, "customer.subscription.updated"):
                subscription["default_payment_method"] = method["id"]


def pay(state: State, session: Thing, invoice: Thing) -> None:
    """Pays an open invoice. Raises a 402 where that is declined."""
    feature(state, session, "invoice_history")
    require(invoice["customer"] == session["customer"], "This invoice is somebody else's.")
    invoices.pay(state, Params({}), invoice["id"])
