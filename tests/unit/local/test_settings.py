"""What the person who starts the stack may choose."""

import pytest

from local.settings import Settings, SettingsError, settings_from
from local.stripe.delivery import Faults


def test_without_a_choice_the_stack_takes_port_3000_and_the_stand_in_for_stripe() -> None:
    assert settings_from({"DATA": "", "STRIPE_SECRET_KEY": ""}) == Settings(port=3000)


def test_a_key_of_test_mode_chooses_the_real_stripe() -> None:
    chosen = settings_from({"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_WEBHOOK_SECRET": "whsec_1"})

    assert (chosen.stripe_key, chosen.stripe_webhook_secret) == ("sk_test_1", "whsec_1")


def test_the_stand_in_may_be_made_to_fail_from_the_start() -> None:
    chosen = settings_from({"STRIPE_FAULTS": '{"drop": 0.1, "delay_seconds": 5}', "STRIPE_SEED": "7"})

    assert (chosen.stripe_faults, chosen.stripe_seed) == (Faults(drop=0.1, delay_seconds=5), "7")


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"STRIPE_SECRET_KEY": "sk_live_1"}, "STRIPE_SECRET_KEY"),
        ({"STRIPE_FAULTS": "often"}, "STRIPE_FAULTS"),
        ({"STRIPE_FAULTS": "[1]"}, "STRIPE_FAULTS"),
        ({"STRIPE_FAULTS": '{"drop": 2}'}, "STRIPE_FAULTS"),
        ({"PORT": "65536"}, "PORT"),
        ({"PORT": "-1"}, "PORT"),
    ],
)
def test_a_choice_that_cannot_be_used_is_refused_by_its_name(variables: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        settings_from(variables)
