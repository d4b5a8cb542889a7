"""What a guest tries that has root and wants out: `attacks.py NAME ARGUMENTS` prints one JSON value."""

import errno
import json
import os
import random
import socket
import ssl
import struct
import sys
import time


def outcome(act):
    """The name of the error, or what came; and the seconds that it took."""
    began = time.monotonic()
    try:
        said = act()
    except OSError as error:
        said = errno.errorcode.get(error.errno or 0, type(error).__name__)
    return {"said": said, "seconds": round(time.monotonic() - began, 2)}


def connect(*targets):
    """ADDRESS,PORT… over TCP."""

    def one(target):
        address, port = target.split(",")
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        link = socket.socket(family, socket.SOCK_STREAM)
        link.settimeout(4)
        link.connect((address, int(port)))
        return "connected"

    return {target: outcome(lambda: one(target)) for target in targets}


def datagram(*targets):
    """ADDRESS,PORT… over UDP, and what comes back within two seconds."""

    def one(target):
        address, port = target.split(",")
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        link.settimeout(2)
        link.connect((address, int(port)))
        for _ in range(2):
            link.send(query("leak.tunnel.test"))
            time.sleep(0.2)
        return link.recv(600).hex()

    return {target: outcome(lambda: one(target)) for target in targets}


def query(name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", random.randrange(65536), 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"


def tunnel(server, seconds):
    """Asks for new names as fast as it can."""
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end, asked = time.monotonic() + float(seconds), 0
    while time.monotonic() < end:
        for _ in range(20):
            asked += 1
            link.sendto(query(f"{os.urandom(20).hex()}.tunnel.test"), (server, 53))
        time.sleep(0.005)
    return asked


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def spoof(source, *targets):
    """Packets with another's source address: TCP and UDP, and the same again as frames past the guest's own stack."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    device = next(name for name in os.listdir("/sys/class/net") if name != "lo")
    frames.bind((device, 0))
    mine = open(f"/sys/class/net/{device}/address").read().strip()
    router = [line.split() for line in open("/proc/net/arp")][1][3]
    link = b"".join(bytes.fromhex(part.replace(":", "")) for part in (router, mine)) + b"\x08\x00"
    sent = 0
    for target in targets:
        address, port = target.split(",")
        udp = struct.pack(">HHHH", 40000, int(port), 12, 0) + b"leak"
        tcp = struct.pack(">HHIIBBHHH", 40000, int(port), 1, 0, 0x50, 2, 64240, 0, 0)
        for protocol, payload in ((17, udp), (6, tcp), (1, b"\x08\0\xf7\xff\0\0\0\0"), (47, b"\0" * 8)):
            ends = socket.inet_aton(source) + socket.inet_aton(address)
            head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 7, 0, 64, protocol, 0) + ends
            head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
            raw.sendto(head + payload, (address, 0))
            frames.send(link + head + payload)
            sent += 2
    return sent


def through(gateway, host, path, *ports):
    """Asks for HOST by CONNECT on each port of the gateway, as if it were the guest's own proxy."""
    context = ssl._create_unverified_context()

    def one(port):
        plain = socket.create_connection((gateway, int(port)), 4)
        plain.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
        head = plain.recv(200)
        if b" 200 " not in head:
            return head.decode("latin1").split("\r\n")[0]
        tls = context.wrap_socket(plain, server_hostname=host)
        tls.sendall(f"GET {path}{port} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return tls.recv(100).decode("latin1").split("\r\n")[0]

    return {port: outcome(lambda: one(port)) for port in ports}


def proxied(gateway, *targets):
    """The status that the proxy has for CONNECT to each target."""

    def one(target):
        plain = socket.create_connection((gateway, 3128), 4)
        plain.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        return plain.recv(200).decode("latin1").split(" ")[1]

    return {target: outcome(lambda: one(target))["said"] for target in targets}


def search(value):
    """Where in all that this guest can read the value, given in hex, is found."""
    wanted, found = bytes.fromhex(value), []
    devices = [f"/dev/{name}" for name in os.listdir("/sys/block")]
    words = ["/proc/cmdline", "/proc/config.gz", "/proc/keys", "/dev/kmsg"]
    processes = [f"/proc/{pid}/{what}" for pid in os.listdir("/proc") if pid.isdigit() for what in ("environ", "cmdline")]
    firmware = [os.path.join(at, name) for at, _, names in os.walk("/sys/firmware") for name in names]
    own = f"/proc/{os.getpid()}/"
    for path in devices + words + processes + firmware:
        if path.startswith(own):
            continue
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            tail = b""
            while True:
                piece = os.read(descriptor, 1 << 20)
                if not piece:
                    break
                if wanted in tail + piece:
                    found.append(path)
                    break
                tail = piece[-len(wanted):]
            os.close(descriptor)
        except OSError:
            pass
    return found


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
