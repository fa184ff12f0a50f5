"""The host shell: a small product around the stack, so that everything can be seen where it will live.

    host.py    its back end: holds the API key, speaks to the API as a product would, and answers its own page
    agent.py   its AI, which knows no language: what it would do for a message, by what is in it
    static/    its page: a sidebar, a chat, Settings → Usage

It is part of no deployment. docs/embedding.md points to it as an example.
"""
