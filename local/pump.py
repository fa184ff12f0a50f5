"""The event pump: what starts functions without a caller, from the triggers of template.yaml.

It stands in for Lambda's event source mappings and for EventBridge Scheduler. One thread asks each source in turn; a
function it starts runs in the same environments as those that HTTP starts, one batch at a time with a pause after it,
so that callers of the API come first.
"""

import json
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.bus import Bus
from local.clock import Clock
from local.environments import Environments, InvocationError
from local.queues import QueueSource
from local.resources import Aws, Resources
from local.schedules import ScheduleSource
from local.source import Outcome, Say, Send, Source
from local.streams import Stream, StreamSource
from local.template import Function, Template, TemplateError, Trigger

# Between two batches, and between two rounds: whoever waits for an environment gets it.
PAUSE_SECONDS = 0.02

# When there is nothing to do: how soon the clock, or something that a function did, is noticed …
IDLE_SECONDS = 0.1
# … and how soon what happens by itself is: a message becomes visible again.
TICK_SECONDS = 0.5

# AWS's stand-ins did not answer. They are on this machine: either they come back at once, or the stack is stopping.
TROUBLE_SECONDS = 1.0

# What is under way when the stack stops has this long to end. Its environment is ended then.
STOP_SECONDS = 1.0


class Pump:
    """Runs from `start` to `stop`. `atomic` says that DynamoDB may be read while functions write to it, as others may.

    Raises TemplateError for a trigger that it cannot follow.
    """

    def __init__(
        self,
        template: Template,
        resources: Resources,
        aws: Aws,
        environments: Environments,
        clock: Clock,
        *,
        atomic: bool,
        say: Say,
    ) -> None:
        self._resources = resources
        self._aws = aws
        self._environments = environments
        self._clock = clock
        self._atomic = atomic
        self._stopping = threading.Event()
        self._said = say
        self._bus = Bus(queue_url=resources.events_queue_url, sqs=aws.sqs, say=self._say)
        self._sources: list[Source] = [*(self._source(trigger) for trigger in template.triggers), self._bus]
        self._thread = threading.Thread(target=self._run, name="pump", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Starts nothing more."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        seen: tuple[int, int, object] | None = None
        while not self._stopping.is_set():
            now = (self._environments.invocations, int(time.monotonic() / TICK_SECONDS), self._clock.offset)
            if now == seen:
                self._stopping.wait(IDLE_SECONDS)
                continue
            seen = now
            self._stopping.wait(PAUSE_SECONDS)
            for source in self._sources:
                if self._turn(source):
                    seen = None
                    self._stopping.wait(PAUSE_SECONDS)

    def _turn(self, source: Source) -> bool:
        if self._stopping.is_set():
            return False
        try:
            return source.turn()
        except (BotoCoreError, ClientError, InvocationError) as error:
            self._say(f"the event pump: {error}")
            self._stopping.wait(TROUBLE_SECONDS)
            return False

    def _say(self, line: str) -> None:
        """What ends because the stack does is nothing to tell."""
        if not self._stopping.is_set():
            self._said(line)

    def _source(self, trigger: Trigger) -> Source:
        send = self._sender(trigger.function)
        region = self._aws.region
        match trigger.kind:
            case "ScheduleV2" | "Schedule":
                return ScheduleSource(trigger, clock=self._clock, region=region, send=send)
            case "SQS":
                arn = self._resources.value(trigger.properties["Queue"])
                url = self._resources.queue_url_of(arn)
                return QueueSource(
                    trigger, url=url, arn=arn, region=region, sqs=self._aws.sqs, send=send, say=self._say
                )
            case "DynamoDB":
                stream = Stream(
                    self._resources.stream_arn(self._aws, trigger.properties["Stream"]),
                    self._aws.streams,
                    changes=self._changes,
                    settled=nullcontext if self._atomic else self._environments.reserved,
                )
                return StreamSource(trigger, stream, region, send, self._say, self._give_up(trigger))
            case _:
                raise TemplateError(f"{trigger.name}: the local stack has no {trigger.kind} events")

    def _changes(self) -> int:
        """Counts up whenever a table may have been written: by a function, or where it is not ours, at any time."""
        ticks = int(time.monotonic() / TICK_SECONDS) if self._atomic else 0
        return self._environments.invocations + ticks

    def _sender(self, function: Function) -> Send:
        def send(event: Any) -> Outcome:
            try:
                result = self._environments.invoke(
                    function,
                    event,
                    request_id=str(uuid.uuid4()),
                    clock_offset=self._clock.offset,
                    patience_seconds=function.timeout_seconds,
                )
            except InvocationError as error:
                self._say(f"{function.name} failed: {error}")
                return Outcome(error=str(error))
            return Outcome(result)

        return send

    def _give_up(self, trigger: Trigger) -> Any:
        destination = trigger.properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        url = self._resources.queue_url_of(self._resources.value(destination)) if destination else None

        def give_up(whereabouts: Mapping[str, Any]) -> None:
            if url is not None:
                self._aws.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(whereabouts))

        return give_up

    def events(self) -> Sequence[Mapping[str, Any]]:
        """The last events that were put on a bus, the oldest first."""
        return self._bus.events()
