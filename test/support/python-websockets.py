# A client of Debian's python3-websockets: sends each message of a list, expects it back, and prints what was agreed.
#   python-websockets.py URL [server_max_window_bits client_max_window_bits]

import asyncio
import sys

import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

MESSAGES = [
    "short",
    "",
    "leto atreides " * 400,
    "ümläut 🙂 " * 2000,
    b"",
    bytes(range(256)) * 40,
    "x" * 300_000,
]


async def main(url, bits):
    options = {"compression": "deflate"}
    if bits:
        server, client = (int(value) for value in bits)
        factory = ClientPerMessageDeflateFactory(
            server_max_window_bits=server, client_max_window_bits=client
        )
        options = {"compression": None, "extensions": [factory]}
    async with websockets.connect(url, open_timeout=5, close_timeout=5, **options) as socket:
        for message in MESSAGES * 2:
            await socket.send(message)
            echo = await asyncio.wait_for(socket.recv(), 5)
            assert echo == message, f"{message[:40]!r} came back as {echo[:40]!r}"
        print(socket.response_headers.get("Sec-WebSocket-Extensions", "none"))


asyncio.run(main(sys.argv[1], sys.argv[2:]))
