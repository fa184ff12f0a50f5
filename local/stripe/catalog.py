"""Products and prices. A price's amount never changes: a new one takes over its lookup key."""

from local.stripe.fault import invalid
from local.stripe.paging import PAGING, newest
from local.stripe.params import Params
from local.stripe.state import State, Thing, require

PRODUCT_FIELDS = ("name", "description", "statement_descriptor", "unit_label", "url", "tax_code")
PRODUCT = (*PRODUCT_FIELDS, "id", "active", "metadata", "images", "marketing_features", "shippable", "type")
PRICE = (
    *("currency", "product", "product_data", "unit_amount", "unit_amount_decimal", "recurring", "lookup_key"),
    *("transfer_lookup_key", "nickname", "metadata", "active", "tax_behavior", "billing_scheme"),
)


def create_product(state: State, params: Params) -> Thing:
    params.only(*PRODUCT, "default_price_data")
    name = params.text("id") or state.new_id("product")
    require(name not in state.objects, f"Product already exists: {name}", param="id", code="resource_already_exists")
    params.required("name")
    product: Thing = {
        "id": name,
        "object": "product",
        "active": params.boolean("active", default=True),
        "created": state.instant,
        "default_price": None,
        "images": params.texts("images"),
        "livemode": False,
        "marketing_features": [{"name": each.required("name")} for each in params.parts("marketing_features")],
        "metadata": params.metadata(),
        "package_dimensions": None,
        "shippable": None,
        "type": "service",
        "updated": state.instant,
        **{field: params.text(field) for field in PRODUCT_FIELDS},
    }
    state.add(product)
    state.emit("product.created", product)
    return product


def retrieve_product(state: State, _: Params, name: str) -> Thing:
    return state.get("product", name)


def update_product(state: State, params: Params, name: str) -> Thing:
    params.only(*PRODUCT, "default_price")
    product = state.require_alive(state.get("product", name))
    with state.changing(product, "product.updated"):
        for field in PRODUCT_FIELDS:
            if field in params:
                product[field] = params.text(field)
        if "default_price" in params:
            price = state.referred("price", params.required("default_price"), "default_price")
            product["default_price"] = price["id"]
        if "marketing_features" in params:
            product["marketing_features"] = [
                {"name": each.required("name")} for each in params.parts("marketing_features")
            ]
        product["active"] = params.boolean("active", default=product["active"])
        product["metadata"] = params.metadata(product["metadata"])
    product["updated"] = state.instant
    return product


def delete_product(state: State, params: Params, name: str) -> Thing:
    params.only()
    product = state.require_alive(state.get("product", name))
    require(
        not any(price["product"] == name for price in state.all("price")),
        "This product cannot be deleted because it has one or more user-created prices.",
    )
    state.emit("product.deleted", product)
    return state.remove(product)


def list_products(state: State, params: Params) -> Thing:
    params.only("active", "ids", "created", "type", *PAGING)
    names, active = params.texts("ids"), params.text("active")

    def matches(product: Thing) -> bool:
        return (not names or product["id"] in names) and (active is None or product["active"] == (active == "true"))

    return newest(state, "product", params, "/v1/products", matches)


def create_price(state: State, params: Params) -> Thing:
    params.only(*PRICE)
    currency = params.required("currency").lower()
    if "product_data" in params:
        data = params.part("product_data")
        data.only("name", "id", "active", "metadata", "statement_descriptor", "tax_code", "unit_label")
        product = create_product(state, data)
    else:
        product = state.referred("product", params.required("product"), "product")
    price: Thing = {
        "id": state.new_id("price"),
        "object": "price",
        "active": params.boolean("active", default=True),
        "billing_scheme": params.choice("billing_scheme", ("per_unit",), "per_unit"),
        "created": state.instant,
        "currency": currency,
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": params.metadata(),
        "nickname": params.text("nickname"),
        "product": product["id"],
        "recurring": _recurring(params),
        "tax_behavior": params.text("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if "recurring" in params else "one_time",
        **_amount(params),
    }
    taken = _take_lookup_key(state, params)
    state.add(price)
    price["lookup_key"] = taken
    state.emit("price.created", price)
    return price


def retrieve_price(state: State, _: Params, name: str) -> Thing:
    return state.get("price", name)


def update_price(state: State, params: Params, name: str) -> Thing:
    params.only("active", "metadata", "nickname", "lookup_key", "transfer_lookup_key", "tax_behavior")
    price = state.get("price", name)
    taken = price["lookup_key"]
    if "lookup_key" in params and params.text("lookup_key") != taken:
        taken = _take_lookup_key(state, params)
    with state.changing(price, "price.updated"):
        price["lookup_key"] = taken
        price["active"] = params.boolean("active", default=price["active"])
        price["metadata"] = params.metadata(price["metadata"])
        if "nickname" in params:
            price["nickname"] = params.text("nickname")
        price["tax_behavior"] = params.text("tax_behavior", price["tax_behavior"])
    return price


def list_prices(state: State, params: Params) -> Thing:
    params.only("active", "currency", "product", "type", "lookup_keys", "recurring", "created", *PAGING)
    keys, active = params.texts("lookup_keys"), params.text("active")
    equal = {name: params.text(name) for name in ("currency", "product", "type") if name in params}
    interval = params.part("recurring").text("interval")

    def matches(price: Thing) -> bool:
        return (
            (not keys or price["lookup_key"] in keys)
            and (active is None or price["active"] == (active == "true"))
            and all(price[name] == value for name, value in equal.items())
            and (interval is None or (price["recurring"] or {}).get("interval") == interval)
        )

    return newest(state, "price", params, "/v1/prices", matches)


def _recurring(params: Params) -> Thing | None:
    if "recurring" not in params:
        return None
    recurring = params.part("recurring")
    recurring.only("interval", "interval_count", "usage_type", "trial_period_days")
    recurring.required("interval")
    return {
        "interval": recurring.choice("interval", ("day", "week", "month", "year"), "month"),
        "interval_count": recurring.integer("interval_count", 1, lowest=1),
        "meter": None,
        "trial_period_days": None,
        "usage_type": recurring.choice("usage_type", ("licensed",), "licensed"),
    }


def _amount(params: Params) -> Thing:
    amount = params.integer("unit_amount")
    if amount is None and (decimal := params.text("unit_amount_decimal")) is not None:
        if not decimal.removesuffix(".0").isdecimal():
            raise invalid("The stand-in counts whole cents only.", param="unit_amount_decimal")
        amount = int(decimal.removesuffix(".0"))
    if amount is None:
        raise params.lacks("unit_amount")
    return {"unit_amount": amount, "unit_amount_decimal": str(amount)}


def _take_lookup_key(state: State, params: Params) -> str | None:
    """The lookup key, taken from the price that has it where that was asked for. Raises a 400 where it was not."""
    key = params.text("lookup_key")
    for price in state.all("price"):
        if key is not None and price["lookup_key"] == key:
            require(
                params.boolean("transfer_lookup_key"),
                f"A price (`{price['id']}`) already uses that lookup key.",
                param="lookup_key",
            )
            with state.changing(price, "price.updated"):
                price["lookup_key"] = None
    return key
