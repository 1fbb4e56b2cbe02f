"""The protocol as an outsider writes it, from docs/tcp-protocol.md alone: nothing of Wireloom's."""

import asyncio
import contextlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

TYPES = [
    *("HELLO", "HELLO_OK", "AUTH", "INTEREST", "READY"),
    *("REQUEST", "REPLY", "ITEM", "END", "ERROR", "CANCEL", "CREDIT"),
    *("EVENT", "ACCEPTED", "SETTLED", "RETURNED", "ATTEMPT"),
    *("PING", "PONG", "GOAWAY"),
]
NUMBERS = {name: number for number, name in enumerate(TYPES, 1)}
REFUSED = RESENT = REMOVE = 0x0001
IGNORABLE = 0x8000
BOUND = 5.0


@dataclass
class Frame:
    type: str
    stream: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    id: bytes = b""
    body: bytes = b""
    flags: int = 0


def block(headers: Iterable[tuple[str, str]]) -> bytes:
    out = b""
    for name, value in headers:
        text = value.encode()
        out += bytes((len(name),)) + name.encode() + struct.pack(">H", len(text)) + text
    return out


def raw(
    kind: int,
    stream: int = 0,
    header_block: bytes = b"",
    ident: bytes = b"",
    body: bytes = b"",
    flags: int = 0,
    *,
    magic: int = 0x574C,
    version: int = 1,
    length: int | None = None,
) -> bytes:
    """Write a frame, with any field wrong on request."""
    if length is None:
        length = 3 + len(header_block) + len(ident) + len(body)
    start = struct.pack(
        ">HBBHIIHB", magic, version, kind, flags, stream, length, len(header_block), len(ident)
    )
    return start + header_block + ident + body


def encode(frame: Frame) -> bytes:
    return raw(
        NUMBERS[frame.type],
        frame.stream,
        block(frame.headers.items()),
        frame.id,
        frame.body,
        frame.flags,
    )


def parse_block(data: bytes) -> dict[str, str]:
    headers, position = {}, 0
    while position < len(data):
        size = data[position]
        name = data[position + 1 : position + 1 + size].decode()
        position += 1 + size
        (length,) = struct.unpack_from(">H", data, position)
        headers[name] = data[position + 2 : position + 2 + length].decode()
        position += 2 + length
    return headers


class Wire:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.peer: dict[str, str] = {}
        self.interests: dict[str, int] = {}

    @classmethod
    async def open(cls, address: str, **options: object) -> "Wire":
        host, _, port = address.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port), **options))  # type: ignore[arg-type]

    async def __aenter__(self) -> "Wire":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(BOUND):
                await self.writer.wait_closed()

    def send_bytes(self, data: bytes) -> None:
        self.writer.write(data)

    def send(self, kind: str, stream: int = 0, **fields: object) -> None:
        self.writer.write(encode(Frame(kind, stream, **fields)))  # type: ignore[arg-type]

    async def receive(self) -> Frame:
        """Read the next frame; fail after a while, or at the end."""
        async with asyncio.timeout(BOUND):
            start = await self.reader.readexactly(17)
            magic, version, kind, flags, stream, length, size, ident = struct.unpack(
                ">HBBHIIHB", start
            )
            assert (magic, version) == (0x574C, 1)
            rest = await self.reader.readexactly(length - 3)
        return Frame(
            TYPES[kind - 1],
            stream,
            parse_block(rest[:size]),
            rest[size : size + ident],
            rest[size + ident :],
            flags,
        )

    async def expect(self, kind: str, stream: int | None = None) -> Frame:
        """Read the next frame and see that it is one of this type."""
        frame = await self.receive()
        assert frame.type == kind, frame
        assert stream is None or frame.stream == stream, frame
        return frame

    async def until(self, kind: str) -> Frame:
        """Read on to the next frame of a type."""
        while (frame := await self.receive()).type != kind:
            pass
        return frame

    async def expect_closed(self) -> None:
        """See that nothing more comes, and that it is the end."""
        async with asyncio.timeout(BOUND):
            try:
                rest = await self.reader.read()
            except ConnectionError:
                return
        assert rest == b"", rest

    async def until_closed(self) -> None:
        """Read whatever comes, to the end."""
        async with asyncio.timeout(BOUND):
            with contextlib.suppress(ConnectionError):
                await self.reader.read()

    async def expect_error(self, code: str) -> None:
        """See that one ERROR frame comes, and then the end."""
        frame = await self.until("ERROR")
        assert (frame.stream, frame.headers["wl-error"]) == (0, code), frame
        await self.expect_closed()

    async def still_lives(self) -> None:
        """See that the connection works: a PING is answered."""
        self.send("PING", 77, id=b"here?")
        while (frame := await self.receive()).type != "PONG":
            assert frame.type != "ERROR", frame
        assert (frame.stream, frame.id) == (77, b"here?")

    def hello(self, **changes: str | None) -> None:
        """Send HELLO with these headers changed (`_` for `-`), None leaving one out."""
        headers: dict[str, str | None] = {
            "wl-versions": "1",
            "wl-features": "",
            "wl-instance": f"raw-{id(self):x}",
            "wl-group": "raw",
            "wl-namespace": "",
            "wl-max-in-flight": "1024",
            "wl-max-payload": "1048576",
            "wl-nonce": "0123456789abcdef0123",
        }
        headers |= {f"wl-{name.replace('_', '-')}": value for name, value in changes.items()}
        self.send("HELLO", headers={k: v for k, v in headers.items() if v is not None})

    async def greet(self, **changes: str) -> "Wire":
        """Go through the greeting and read what the node takes."""
        self.hello(**changes)
        self.peer = (await self.expect("HELLO_OK")).headers
        while (frame := await self.receive()).type == "INTEREST":
            self.interests[frame.headers["wl-name"]] = frame.stream
        assert frame.type == "READY", frame
        self.send("READY")
        return self

    def request(
        self, stream: int, name: str, address: str, body: bytes = b"", **more: object
    ) -> None:
        headers = {"wl-address": address, "wl-to": str(self.interests.get(name, 999))}
        headers |= more.pop("headers", {})  # type: ignore[arg-type]
        more.setdefault("id", b"r%d" % stream)
        self.send("REQUEST", stream, headers=headers, body=body, **more)

    def event(
        self, stream: int, name: str, address: str, body: bytes = b"", **more: object
    ) -> None:
        headers = {"wl-address": address, "wl-to": str(self.interests.get(name, 999))}
        headers |= more.pop("headers", {})  # type: ignore[arg-type]
        more.setdefault("id", b"e%d" % stream)
        self.send("EVENT", stream, headers=headers, body=body, **more)
