"""Queues: who works them off, how long a message waits to be tried again, and where it goes when it cannot be done."""

from typing import Any

import pytest

from credits.ledger.due import LONGEST_STEP_SECONDS
from tests.template.document import functions, resources

QUEUES = resources("AWS::SQS::Queue")
ALARMS = resources("AWS::CloudWatch::Alarm")
WORKED_OFF = {
    event["Properties"]["Queue"]["Fn::GetAtt"].removesuffix(".Arn"): (name, event["Properties"])
    for name, function in functions().items()
    for event in function.get("Events", {}).values()
    if event["Type"] == "SQS"
}

each_queue = pytest.mark.parametrize("queue", QUEUES)
each_queue_that_is_worked_off = pytest.mark.parametrize("queue", WORKED_OFF)


@each_queue
def test_a_queue_is_encrypted(queue: str) -> None:
    assert QUEUES[queue]["SqsManagedSseEnabled"] is True


@each_queue
def test_a_queue_is_worked_off_or_rings_when_it_holds_anything(queue: str) -> None:
    watched = [
        alarm["Dimensions"][0]["Value"]["Fn::GetAtt"].split(".")[0]
        for alarm in ALARMS.values()
        if alarm["Namespace"] == "AWS/SQS" and alarm["Threshold"] == 1
    ]
    assert (queue in WORKED_OFF) != (queue in watched)


@each_queue_that_is_worked_off
def test_a_message_does_not_come_again_while_its_worker_is_at_it(queue: str) -> None:
    name, _ = WORKED_OFF[queue]
    assert QUEUES[queue]["VisibilityTimeout"] >= 6 * functions()[name]["Timeout"]


@each_queue_that_is_worked_off
def test_only_the_messages_that_failed_come_again(queue: str) -> None:
    assert WORKED_OFF[queue][1]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


@each_queue_that_is_worked_off
def test_a_message_that_cannot_be_done_is_kept_longer_than_it_was_tried(queue: str) -> None:
    redrive = QUEUES[queue]["RedrivePolicy"]
    dead_letters: dict[str, Any] = QUEUES[redrive["deadLetterTargetArn"]["Fn::GetAtt"].removesuffix(".Arn")]
    assert 2 <= redrive["maxReceiveCount"] <= 10
    # A message is as old in the dead letters as it was before.
    assert dead_letters["MessageRetentionPeriod"] == 14 * 86_400
    assert QUEUES[queue]["MessageRetentionPeriod"] < dead_letters["MessageRetentionPeriod"]


def test_what_stripe_tells_of_a_customer_is_worked_off_in_order() -> None:
    assert {name for name, queue in QUEUES.items() if queue.get("FifoQueue")} == {"StripeQueue", "StripeDeadLetters"}
    # Two events of different ids are never taken for one another, whatever they say.
    assert "ContentBasedDeduplication" not in QUEUES["StripeQueue"]


def test_a_worker_has_time_to_renew_before_it_has_to_stop() -> None:
    seconds_to_hand_on = 8
    assert functions()["renewals"]["Timeout"] >= LONGEST_STEP_SECONDS + seconds_to_hand_on + 60


def test_every_shard_has_a_worker_to_itself() -> None:
    _, source = WORKED_OFF["DueQueue"]
    assert source["BatchSize"] == 1
    assert source["ScalingConfig"] == {"MaximumConcurrency": 16}


def test_the_schedule_asks_every_five_minutes() -> None:
    (schedule,) = [e["Properties"] for e in functions()["renewals"]["Events"].values() if e["Type"] == "ScheduleV2"]
    assert schedule["ScheduleExpression"] == "rate(5 minutes)"
    # SAM's own name for it is the same in every stack.
    assert schedule["OmitName"] is True
    # What could not be delivered is not delivered beside the next one.
    assert schedule["RetryPolicy"]["MaximumEventAgeInSeconds"] < 300
