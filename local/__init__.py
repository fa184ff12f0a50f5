"""The whole stack on one machine: `make run` and `make demo`.

The handlers of functions/ run here unchanged. What AWS puts around them is stood in for, one module each:

    template.py      template.yaml: which functions there are, and which routes lead to them
    server.py        HTTP/1.1, within API Gateway's bounds
    gateway.py       API Gateway: a request to its function and back, and the answers that are API Gateway's own
    routing.py       which route a request takes
    throttle.py      how many requests a route takes
    payload.py       payload format 2.0: a request as an event, a handler's result as a response
    environments.py  Lambda: a pool of execution environments, one request at a time each
    zygote.py        where those environments come from: one process that imported the handlers, forked on demand
    dynamodb.py      DynamoDB: moto, or Amazon's DynamoDB Local
    resources.py     the tables, queues and event buses of the template
    pump.py          what starts functions without a caller; source.py: what it asks of each of its sources
    schedules.py     EventBridge Scheduler
    queues.py        event source mappings of SQS queues
    streams.py       event source mappings of DynamoDB streams
    bus.py           the event bus, as a subscriber sees it
    stripe/          Stripe: its API, its hosted pages, its webhooks
    clock.py         a clock that can be moved forward
    settings.py      what the person who starts the stack may choose
    stack.py         all of it, started and stopped as one
    client.py        a caller of the API
    shell/           a small product around it all: a chat that spends credits, and the Usage page in its settings
    seed.py          an account on each plan and two that run short; history.py: what they did in the last weeks
    browser.py       a Chromium, for tests and pictures
    demo.py          the two worked examples, over HTTP
    picture.py       the picture of the README
    openapi.py       the OpenAPI document that the accounts function serves
"""
