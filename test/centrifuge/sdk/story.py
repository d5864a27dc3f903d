"""The story, told with centrifuge-python: python3 story.py URL json|protobuf CODE,CODE,…"""

import asyncio
import json
import sys

from centrifuge import Client, ClientEventHandler, SubscriptionEventHandler

url, dialect, codes = sys.argv[1:4]
is_protobuf = dialect == "protobuf"


def write(value):
    return json.dumps(value).encode() if is_protobuf else value


def read(data):
    return json.dumps(json.loads(data) if is_protobuf else data, separators=(",", ":"))


def say(line):
    print(line, flush=True)


class Awaited:
    """Events by name: the next one can be waited for, also one that comes before it is."""

    def __init__(self, *names):
        self.queues = {name: asyncio.Queue() for name in names}

    def __getattr__(self, name):
        queue = self.__dict__["queues"].get(name.removeprefix("on_"))

        async def put(ctx):
            if queue is not None:
                queue.put_nowait(ctx)

        return put

    async def next(self, name):
        return await asyncio.wait_for(self.queues[name].get(), 10)


class ClientEvents(Awaited):
    def __init__(self):
        super().__init__("connecting", "connected", "disconnected")


class SubscriptionEvents(Awaited):
    def __init__(self):
        super().__init__("subscribed", "unsubscribed", "subscribing", "publication", "join", "leave")


async def main():
    everyone = []

    async def opened(**options):
        events = ClientEvents()
        client = Client(url, events=events, use_protobuf=is_protobuf, min_reconnect_delay=0.01, **options)
        everyone.append(client)
        await client.connect()
        return client, events

    async def connected(**options):
        client, events = await opened(**options)
        await events.next("connected")
        return client, events

    async def asked(client, method, value=None):
        return read((await client.rpc(method, write(value or {}))).data)

    def giving(token):
        async def give(*_):
            return token

        return give

    client, _ = await connected(token="u1")
    say("connect: connected")
    events = SubscriptionEvents()
    room = client.new_subscription("room", events=events, recoverable=True, join_leave=True)
    await room.subscribe()
    await events.next("subscribed")
    say("subscribe: subscribed")
    say(f"join: {(await events.next('join')).info.user}")

    await room.publish(write({"n": 1}))
    pub = (await events.next("publication")).pub
    say(f"publish: {read(pub.data)} of {pub.info.user} at {pub.offset}")
    clients = (await room.presence()).clients
    stats = await room.presence_stats()
    users = ",".join(info.user for info in clients.values())
    say(f"presence: {users}; {stats.num_clients} clients, {stats.num_users} users")
    history = await room.history(limit=10)
    say("history: " + ",".join(read(one.data) for one in history.publications))
    say(f"rpc: {await asked(client, 'echo', {'hello': 1})}")

    other, _ = await connected(token="u2")
    visit = other.new_subscription("room", events=SubscriptionEventHandler())
    await visit.subscribe()
    came = await events.next("join")
    await other.disconnect()
    say(f"others: join {came.info.user}, leave {(await events.next('leave')).info.user}")

    await asked(client, "kill", {"room": "room"})
    if not (await events.next("subscribed")).recovered:
        say("not recovered")
    missed = [read((await events.next("publication")).pub.data) for _ in range(3)]
    say("recovery: " + " ".join(missed))
    say(f"history after it: {len((await room.history(limit=10)).publications)}")

    async def until_refreshed(by, times):
        while await asked(by, "refreshes") != str(times):
            await asyncio.sleep(0.05)

    expiring, _ = await connected(token="u3/1", get_token=giving("u3/60"))
    await until_refreshed(expiring, 1)
    say("refresh: true")
    secret = expiring.new_subscription("$secret", token="ok/1", get_token=giving("ok/60"))
    await secret.subscribe()
    await until_refreshed(expiring, 2)
    say("subscription refresh: true")

    await connected(token="expired", get_token=giving("u4"))
    say("expired: connected with another token")
    _, refused = await opened(token="invalid")
    say(f"invalid: {(await refused.next('disconnected')).code}")

    await asked(client, "unsubscribe", {"room": "room", "code": 2000})
    say(f"unsubscribe {(await events.next('unsubscribed')).code}: out")
    await room.subscribe()
    await events.next("subscribed")
    await asked(client, "unsubscribe", {"room": "room", "code": 2500})
    await events.next("subscribed")
    say("unsubscribe 2500: back")

    for code in codes.split(","):
        one, its = await connected(token=f"code{code}")
        await its.next("connecting")
        await asked(one, "disconnect", {"code": int(code)})
        back = asyncio.ensure_future(its.next("connected"))
        gone = asyncio.ensure_future(its.next("disconnected"))
        await asyncio.wait([back, gone], return_when=asyncio.FIRST_COMPLETED)
        say(f"disconnect {code}: {'back' if back.done() else 'gone'}")
        for task in (back, gone):
            task.cancel()
    for one in everyone:
        await one.disconnect()


asyncio.run(main())
