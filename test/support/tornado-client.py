# A client of Tornado with permessage-deflate as it comes: sends each message of a list twice, expects it back, and prints
# what the server answered about the extension.
#   tornado-client.py URL

import asyncio
import sys

from tornado.websocket import websocket_connect

MESSAGES = [
    "short",
    "",
    "",
    "leto atreides " * 400,
    "ümläut 🙂 " * 2000,
    b"",
    bytes(range(256)) * 40,
    "x" * 300_000,
    "short",
]


async def main(url):
    socket = await websocket_connect(url, compression_options={}, max_message_size=1 << 20)
    for message in MESSAGES * 2:
        await socket.write_message(message, binary=isinstance(message, bytes))
        echo = await asyncio.wait_for(socket.read_message(), 10)
        assert echo == message, f"{message[:40]!r} came back as {echo if echo is None else echo[:40]!r}"
    print(socket.headers.get("Sec-WebSocket-Extensions", "none"))
    socket.close(1000)
    await asyncio.wait_for(socket.read_message(), 5)


asyncio.run(main(sys.argv[1]))
