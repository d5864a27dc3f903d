"""Publishes to a Roomcast channel with nothing but Python's standard library, written from the package's README.

publisher.py HOST PORT PREFIX CHANNEL MESSAGE...: prints how many nodes received each message.
"""
import os
import socket
import struct
import sys

def frame(text):
    payload = text.encode()
    if len(payload) < 126:
        return struct.pack(">BB", 0x81, len(payload)) + payload
    if len(payload) < 65536:
        return struct.pack(">BBH", 0x81, 126, len(payload)) + payload
    return struct.pack(">BBQ", 0x81, 127, len(payload)) + payload


def envelope(node, number, age_ms, text):
    return b"RC" + struct.pack(">BB8sQI", 1, 0, node, number, age_ms) + frame(text)


def command(*parts):
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


def main():
    host, port, prefix, channel, *messages = sys.argv[1:]
    node = os.urandom(8)
    with socket.create_connection((host, int(port))) as connection:
        replies = connection.makefile("rb")
        for number, text in enumerate(messages, 1):
            # The first message has no predecessor; here the others follow within a millisecond.
            age_ms = 0xFFFFFFFF if number == 1 else 1
            redis_channel = f"{prefix}:{channel}".encode()
            connection.sendall(command(b"PUBLISH", redis_channel, envelope(node, number, age_ms, text)))
            print(replies.readline().decode().strip())


main()
