"""Subscription schedules: phases that a subscription goes through, each with items of its own."""

from collections.abc import Sequence

from local.stripe import standing
from local.stripe.change import PRORATIONS, Change, apply, bill
from local.stripe.ending import finish
from local.stripe.fault import invalid
from local.stripe.items import Wanted
from local.stripe.paging import PAGING, newest
from local.stripe.params import Params
from local.stripe.period import moved
from local.stripe.state import State, Thing, require

PHASE = (
    *("items", "start_date", "end_date", "duration", "proration_behavior", "billing_cycle_anchor", "metadata"),
    *("currency", "description", "collection_method", "default_payment_method"),
)
ENDS = ("release", "cancel")


def create(state: State, params: Params) -> Thing:
    """Puts a subscription under a schedule whose one phase is its present period."""
    params.only("from_subscription", "metadata")
    subscription = state.referred("subscription", params.required("from_subscription"), "from_subscription")
    return begun(state, subscription, metadata=params.metadata())


def begun(state: State, subscription: Thing, *, metadata: Thing) -> Thing:
    require(
        subscription["schedule"] is None,
        "You cannot migrate a subscription that is already attached to a schedule: "
        f"`{subscription['id']}` is already attached to `{subscription['schedule']}`.",
    )
    require(
        subscription["status"] in standing.RUNNING,
        f"You cannot migrate a subscription that is {subscription['status']}.",
    )
    items = subscription["items"]["data"]
    phase = _shown(
        subscription,
        [{"price": item["price"]["id"], "quantity": item["quantity"], "metadata": {}} for item in items],
        start=max(item["current_period_start"] for item in items),
        end=min(item["current_period_end"] for item in items),
    )
    schedule: Thing = {
        "id": state.new_id("subscription_schedule"),
        "object": "subscription_schedule",
        "application": None,
        "billing_mode": dict(subscription["billing_mode"]),
        "canceled_at": None,
        "completed_at": None,
        "created": state.instant,
        "current_phase": {"start_date": phase["start_date"], "end_date": phase["end_date"]},
        "customer": subscription["customer"],
        "customer_account": None,
        "default_settings": {
            "application_fee_percent": None,
            "billing_cycle_anchor": "automatic",
            "collection_method": "charge_automatically",
            "default_payment_method": None,
            "description": None,
        },
        "end_behavior": "release",
        "livemode": False,
        "metadata": metadata,
        "pause_schedules": [],
        "phases": [phase],
        "released_at": None,
        "released_subscription": None,
        "status": "active",
        "subscription": subscription["id"],
        "test_clock": None,
    }
    state.add(schedule)
    state.emit("subscription_schedule.created", schedule)
    with state.changing(subscription, "customer.subscription.updated"):
        subscription["schedule"] = schedule["id"]
    _schedule_next(state, schedule)
    return schedule


def retrieve(state: State, _: Params, name: str) -> Thing:
    return state.get("subscription_schedule", name)


def update(state: State, params: Params, name: str) -> Thing:
    """Sets the present phase and those to come."""
    params.only("phases", "end_behavior", "metadata", "proration_behavior")
    schedule = state.get("subscription_schedule", name)
    require(schedule["status"] == "active", f"You cannot update a {schedule['status']} schedule.")
    metadata = params.metadata(schedule["metadata"])
    ends = params.choice("end_behavior", ENDS, schedule["end_behavior"])
    phases = _phases(state, schedule, params.parts("phases")) if "phases" in params else schedule["phases"]
    with state.changing(schedule, "subscription_schedule.updated"):
        schedule |= {"metadata": metadata, "end_behavior": ends, "phases": phases}
        _set_current(state, schedule)
    present = next(each for each in phases if each["end_date"] > state.instant)
    _apply(state, schedule, present, proration=params.text("proration_behavior") or present["proration_behavior"])
    _schedule_next(state, schedule)
    return schedule


def release(state: State, params: Params, name: str) -> Thing:
    """Lets the subscription go on as it is, under no schedule."""
    params.only("preserve_cancel_date")
    schedule = state.get("subscription_schedule", name)
    require(
        schedule["status"] in {"active", "not_started"},
        f"You cannot release a subscription schedule that is currently in the `{schedule['status']}` status.",
    )
    released(state, schedule)
    return schedule


def cancel(state: State, params: Params, name: str) -> Thing:
    """Cancels the schedule and its subscription, at once."""
    params.only("invoice_now", "prorate")
    schedule = state.get("subscription_schedule", name)
    require(schedule["status"] == "active", f"You cannot cancel a {schedule['status']} schedule.")
    subscription = state.objects[schedule["subscription"]]
    finish(state, subscription, prorate=params.boolean("prorate"), invoice_now=params.boolean("invoice_now"))
    return schedule


def list_all(state: State, params: Params) -> Thing:
    params.only("customer", "created", "released_at", "canceled_at", "completed_at", "scheduled", *PAGING)
    customer = params.text("customer")
    url = "/v1/subscription_schedules"
    return newest(state, "subscription_schedule", params, url, lambda each: customer in {None, each["customer"]})


def released(state: State, schedule: Thing) -> None:
    subscription = state.objects[schedule["subscription"]]
    state.agenda.drop(schedule["id"])
    before = {name: schedule[name] for name in ("status", "subscription", "released_subscription", "released_at")}
    schedule |= {
        "status": "released",
        "released_at": state.instant,
        "released_subscription": subscription["id"],
        "subscription": None,
        "current_phase": None,
    }
    state.emit("subscription_schedule.released", schedule, previous=before)
    with state.changing(subscription, "customer.subscription.updated"):
        subscription["schedule"] = None


def move_on(state: State, schedule: Thing) -> None:
    """A phase is over: the next begins, or after the last what `end_behavior` says."""
    phase = next((each for each in schedule["phases"] if each["end_date"] > state.instant), None)
    if phase is not None:
        with state.changing(schedule, "subscription_schedule.updated"):
            _set_current(state, schedule)
        _apply(state, schedule, phase, proration=phase["proration_behavior"])
        _schedule_next(state, schedule)
    elif schedule["end_behavior"] == "cancel":
        subscription = state.objects[schedule["subscription"]]
        with state.changing(schedule, "subscription_schedule.completed"):
            schedule |= {"status": "completed", "completed_at": state.instant, "current_phase": None}
        subscription["schedule"] = None
        standing.end(state, subscription)
    else:
        released(state, schedule)


def _apply(state: State, schedule: Thing, phase: Thing, *, proration: str) -> None:
    """Gives the subscription the items of the phase. Items keep their ids, by price or else by place."""
    subscription = state.objects[schedule["subscription"]]
    free = list(subscription["items"]["data"])
    wanted: list[Wanted] = []
    for each in phase["items"]:
        same = next((item for item in free if item["price"]["id"] == each["price"]), free[0] if free else None)
        if same is not None:
            free.remove(same)
        wanted.append(Wanted(state.objects[each["price"]], each["quantity"], each["metadata"], same))
    change = Change(
        wanted,
        proration=proration,
        at=state.instant,
        restart=phase["billing_cycle_anchor"] == "phase_start" and phase["start_date"] == state.instant,
    )
    with state.changing(subscription, "customer.subscription.updated"):
        invoice = apply(state, subscription, change)
    if invoice is not None:
        bill(state, subscription, invoice)
    standing.schedule_next(state, subscription)


def _phases(state: State, schedule: Thing, given: Sequence[Params]) -> list[Thing]:
    """The phases of a request: the present one first, each beginning where the one before it ends."""
    subscription = state.objects[schedule["subscription"]]
    present = schedule["current_phase"]
    phases: list[Thing] = []
    require(bool(given), "A schedule has at least one phase.", param="phases")
    for number, each in enumerate(given):
        each.only(*PHASE)
        items = _items(state, each)
        began = phases[-1]["end_date"] if phases else present["start_date"]
        start = state.instant if each.text("start_date") == "now" else each.integer("start_date", began) or began
        if number == 0:
            require(
                "start_date" in each,
                "The start date of the current phase must be given, as it is.",
                param="phases[0][start_date]",
            )
            require(start == began, "You can not modify the start date of the current phase.")
        require(start == began, "A phase starts where the one before it ends.", param=f"phases[{number}][start_date]")
        price = state.objects[items[0]["price"]]
        end = _end(state, each, start, price["recurring"], last=number == len(given) - 1)
        require(end > start, "The end date of a phase must be after its start date.")
        phases.append(
            _shown(
                subscription,
                items,
                start=start,
                end=end,
                proration=each.choice("proration_behavior", PRORATIONS, "create_prorations"),
                anchor=each.text("billing_cycle_anchor"),
                metadata=each.metadata(),
            )
        )
    require(phases[-1]["end_date"] > state.instant, "The last phase must end in the future.")
    return phases


def _items(state: State, phase: Params) -> list[Thing]:
    items = []
    for each in phase.parts("items"):
        each.only("price", "plan", "quantity", "metadata")
        name = each.text("price") or each.required("plan")
        price = state.referred("price", name, "phases[items][price]")
        require(price["type"] == "recurring", f"The price specified is set to `type=one_time`: {name}")
        quantity = each.integer("quantity", 1)
        items.append({"price": name, "quantity": quantity, "metadata": each.metadata()})
    require(bool(items), "A phase has at least one item.", param="phases[items]")
    return items


def _end(state: State, phase: Params, start: int, recurring: Thing, *, last: bool) -> int:
    """Where a phase ends. The last may leave it open: it then lasts for one period of its price."""
    if phase.text("end_date") == "now":
        return state.instant
    if (end := phase.integer("end_date")) is not None:
        return end
    if "duration" in phase:
        duration = phase.part("duration")
        duration.only("interval", "interval_count")
        interval = duration.choice("interval", ("day", "week", "month", "year"), "month")
        return moved(start, {"interval": interval, "interval_count": duration.integer("interval_count", 1)}, 1)
    if not last:
        raise invalid("A phase that is not the last needs an `end_date` or a `duration`.", param="phases")
    return moved(start, recurring, 1)


def _shown(
    subscription: Thing,
    items: Sequence[Thing],
    *,
    start: int,
    end: int,
    proration: str = "create_prorations",
    anchor: str | None = None,
    metadata: Thing | None = None,
) -> Thing:
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "billing_cycle_anchor": anchor,
        "billing_thresholds": None,
        "collection_method": None,
        "currency": subscription["currency"],
        "default_payment_method": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "end_date": end,
        "invoice_settings": None,
        "items": [
            {
                "billing_thresholds": None,
                "discounts": [],
                "metadata": each["metadata"],
                "plan": each["price"],
                "price": each["price"],
                "quantity": each["quantity"],
                "tax_rates": [],
            }
            for each in items
        ],
        "metadata": metadata or {},
        "on_behalf_of": None,
        "proration_behavior": proration,
        "start_date": start,
        "transfer_data": None,
        "trial_end": None,
    }


def _set_current(state: State, schedule: Thing) -> None:
    phase = next(each for each in schedule["phases"] if each["end_date"] > state.instant)
    schedule["current_phase"] = {"start_date": phase["start_date"], "end_date": phase["end_date"]}


def _schedule_next(state: State, schedule: Thing) -> None:
    if schedule["status"] == "active":
        state.agenda.put("phase", schedule["id"], schedule["current_phase"]["end_date"])


def release_from(state: State, subscription: Thing) -> None:
    """Releases the subscription from the schedule that it is under, if it is under one."""
    if subscription["schedule"] is not None:
        released(state, state.objects[subscription["schedule"]])
