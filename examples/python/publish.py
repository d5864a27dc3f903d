"""A backend in Python that publishes over HTTP, with nothing but the standard library.

Start a server with a key, then this:

    npx roomcast --http_api.key secret
    ROOMCAST_URL=http://localhost:4545 ROOMCAST_API_KEY=secret python3 publish.py news '{"text":"sold out"}'
"""

import json
import os
import sys
import urllib.request


def call(method: str, **fields: object) -> dict:
    """Calls a method of the HTTP API; what it answers, or an exception that says why not."""
    request = urllib.request.Request(
        f"{os.environ['ROOMCAST_URL']}/api/{method}",
        data=json.dumps(fields).encode(),
        headers={"X-API-Key": os.environ["ROOMCAST_API_KEY"], "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=5) as response:
        answer = json.load(response)
    if "error" in answer:
        raise RuntimeError(f"{method}: {answer['error']['message']} ({answer['error']['code']})")
    return answer["result"]


room, text = sys.argv[1:]
call("publish", channel=room, data=json.loads(text), idempotency_key=f"order-{os.getpid()}")
print("rooms with somebody in them:", *sorted(call("channels")["channels"]))
