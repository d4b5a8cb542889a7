"""Python's clients as any program uses them: `clients.py NAME URL` prints the status and what came back."""

import hashlib
import http.client
import os
import socket
import ssl
import sys
import time
from urllib.parse import urlsplit


def with_requests(url):
    import requests

    answer = requests.get(url, timeout=60)
    print(answer.status_code, answer.text)


def with_httpx(url, http2=False):
    import httpx

    with httpx.Client(http2=http2, timeout=60) as client:
        answer = client.get(url)
        print(answer.status_code, answer.http_version, answer.text)


def with_httpx2(url):
    with_httpx(url, http2=True)


def with_urllib(url):
    from urllib.request import urlopen

    with urlopen(url, timeout=60) as answer:
        print(answer.status, answer.read().decode())


def with_grpc(url):
    import grpc

    at = urlsplit(url)
    channel = grpc.secure_channel(f"{at.hostname}:443", grpc.ssl_channel_credentials())
    call = channel.stream_stream(at.path, lambda data: data, lambda data: data)
    metadata = (("x-case", at.query),)
    answers = list(call(iter([b"one", b"two", b"three"]), timeout=60, metadata=metadata))
    print(b",".join(answers).decode())


def connected(host):
    """A TLS connection that offers HTTP/1.1 alone, through the proxy where the environment names one."""
    proxy = os.environ.get("https_proxy")
    if proxy is None:
        plain = socket.create_connection((host, 443), timeout=60)
    else:
        via = urlsplit(proxy)
        tunnel = http.client.HTTPSConnection(via.hostname, via.port, timeout=60)
        tunnel.set_tunnel(host, 443)
        http.client.HTTPConnection.connect(tunnel)
        plain = tunnel.sock
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context.wrap_socket(plain, server_hostname=host)


def with_websocket(url):
    import asyncio
    import websockets

    async def talk():
        at = urlsplit(url)
        proxy = os.environ.get("https_proxy")
        how = {}
        if proxy is not None:
            via = urlsplit(proxy)
            plain = socket.create_connection((via.hostname, via.port), timeout=60)
            plain.sendall(f"CONNECT {at.hostname}:443 HTTP/1.1\r\nHost: {at.hostname}:443\r\n\r\n".encode())
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += plain.recv(1)
            assert b" 200 " in head.split(b"\r\n")[0], head
            how = {"sock": plain, "server_hostname": at.hostname}
        async with websockets.connect(url.replace("https:", "wss:"), **how) as chat:
            for word in ("one", "two", "three" * 10_000):
                await chat.send(word)
                assert await chat.recv() == word
            print("echoed")

    asyncio.run(talk())


def hold_websocket(url):
    """Says `open`, then how long it was before the other side closed."""
    import asyncio
    import websockets

    async def hold():
        async with websockets.connect(url.replace("https:", "wss:")) as chat:
            await chat.send("hello")
            print(await chat.recv(), flush=True)
            try:
                await chat.recv()
            except websockets.ConnectionClosed:
                print("closed", flush=True)

    asyncio.run(hold())


def with_events(url):
    """The seconds between events, as they arrive: one that waits for the end would see them all at once."""
    at = urlsplit(url)
    stream = connected(at.hostname)
    stream.sendall(f"GET {at.path}?{at.query} HTTP/1.1\r\nHost: {at.hostname}\r\n\r\n".encode())
    seen, text = [], b""
    while b"event: end" not in text:
        piece = stream.recv(4096)
        if not piece:
            break
        text += piece
        if b"data:" in piece:
            seen.append(time.monotonic())
    print(len(seen), round(seen[-1] - seen[0], 1))


def with_upload(url, megabytes=16, seconds=4):
    """Sends slowly, then says what the other side counted."""
    at = urlsplit(url)
    link = http.client.HTTPConnection(at.hostname)
    link.sock = connected(at.hostname)
    block = os.urandom(1 << 18)
    blocks = megabytes * 4
    digest = hashlib.sha256()

    def body():
        for _ in range(blocks):
            digest.update(block)
            time.sleep(seconds / blocks)
            yield block

    path = f"{at.path}?{at.query}"
    link.request("PUT", path, body(), {"Content-Length": str(blocks << 18)})
    answer = link.getresponse()
    text = answer.read().decode()
    print(answer.status, "whole" if digest.hexdigest() in text else text)


def tick(url):
    """A request every 50 ms on one connection until /tmp/stop is there; `conn` counts the connections."""
    at = urlsplit(url)
    connections, number, link = 0, 0, None
    while not os.path.exists("/tmp/stop"):
        try:
            # One that was closed by its answer would be opened again as plain HTTP.
            if link is None or link.sock is None:
                link = http.client.HTTPConnection(at.hostname)
                link.sock = connected(at.hostname)
                link.sock.settimeout(5)
                connections += 1
            number += 1
            link.request("GET", f"{at.path}?{at.query}&conn={connections}&number={number}")
            answer = link.getresponse()
            answer.read()
            print(number, connections, answer.status, answer.headers.get("x-egress-reason", ""), flush=True)
        except (OSError, http.client.HTTPException) as error:
            print(number, connections, type(error).__name__, error, flush=True)
            link = None
            time.sleep(0.2)
        time.sleep(0.05)


def knock(address):
    """Tries every way that should be closed, again and again, and says how often one was not."""
    import atexit
    import signal

    tried, entered = 0, 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    atexit.register(lambda: print(f"knocked {tried}, got in {entered}", flush=True))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        for port in (5432, 22, 853):
            tried += 1
            try:
                with socket.create_connection((address, port), 1):
                    entered += 1
            except OSError:
                pass
        for port in (53, 123, 443, 51820):
            tried += 1
            try:
                datagrams.sendto(b"leak" * 8, (address, port))
            except OSError:
                pass


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
