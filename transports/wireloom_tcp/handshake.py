"""The greeting on one connection, up to the point where both know who the other is."""

from collections.abc import Callable, Mapping

from wireloom_tcp.auth import is_proof, new_nonce, proof
from wireloom_tcp.decoder import Sinks
from wireloom_tcp.frames import Code, FrameType, ProtocolError, frame
from wireloom_tcp.greeting import Greeting, PeerError
from wireloom_tcp.headers import decode_block, encode_block
from wireloom_tcp.link import Link

__all__ = ["Handshake"]


class Handshake:
    """One side of the greeting. `on_done` is called with the peer's greeting, once, before the
    next frame is looked at.

    The dialler greets first. With a token, the listener answers by a nonce, the dialler proves
    that it has the token, and the listener's own greeting carries its proof.
    """

    def __init__(
        self,
        own: Greeting,
        token: str | None,
        *,
        dialled: bool,
        on_done: Callable[[Link, Greeting], None],
    ) -> None:
        self._own = own
        self._token = token
        self._dialled = dialled
        self._on_done = on_done
        self._link: Link | None = None
        self._peer: Greeting | None = None
        self._dialler_nonce = new_nonce() if dialled else ""
        self._listener_nonce = ""
        expected = FrameType.HELLO
        self._step: dict[int, Callable[[Mapping[str, str]], None]] = (
            {FrameType.AUTH: self._on_challenge, FrameType.HELLO_OK: self._on_hello_ok}
            if dialled
            else {expected: self._on_hello}
        )

    @property
    def sinks(self) -> Sinks:
        """Return what takes the frames of the greeting."""
        return {
            FrameType.HELLO: lambda *fields: self._take(FrameType.HELLO, fields[2]),
            FrameType.AUTH: lambda *fields: self._take(FrameType.AUTH, fields[2]),
            FrameType.HELLO_OK: lambda *fields: self._take(FrameType.HELLO_OK, fields[2]),
            FrameType.ERROR: lambda *fields: self._on_error(fields[2]),
            FrameType.GOAWAY: lambda *fields: self._on_error(fields[2]),
        }

    def begin(self, link: Link) -> None:
        """Greet, if it is this side's turn."""
        self._link = link
        if self._dialled:
            headers = {**self._own.headers(), "wl-nonce": self._dialler_nonce}
            self._send(FrameType.HELLO, headers)

    def _take(self, kind: FrameType, block: bytes) -> None:
        step = self._step.get(kind)
        if step is None:
            raise ProtocolError(f"{kind.name} has no place in this greeting")
        step(decode_block(block))

    def _on_hello(self, headers: Mapping[str, str]) -> None:
        self._peer = self._checked(Greeting.of(headers))
        self._dialler_nonce = headers.get("wl-nonce", "")
        if self._token is None:
            self._step = {}
            self._finish(self._own.headers())
            return
        if len(self._dialler_nonce) < 16:
            raise ProtocolError("a greeting without a nonce")
        self._listener_nonce = new_nonce()
        self._step = {FrameType.AUTH: self._on_proof}
        self._send(FrameType.AUTH, {"wl-nonce": self._listener_nonce})

    def _on_challenge(self, headers: Mapping[str, str]) -> None:
        self._listener_nonce = headers.get("wl-nonce", "")
        if self._token is None or len(self._listener_nonce) < 16:
            raise ProtocolError("a token is asked for", Code.UNAUTHENTICATED)
        self._step = {FrameType.HELLO_OK: self._on_hello_ok}
        self._send(FrameType.AUTH, {"wl-proof": self._proof(self._token, "dialler")})

    def _on_proof(self, headers: Mapping[str, str]) -> None:
        token = self._token or ""
        if not self._is_proof(headers, token, "dialler"):
            raise ProtocolError("the proof is wrong", Code.UNAUTHENTICATED)
        self._step = {}
        self._finish({**self._own.headers(), "wl-proof": self._proof(token, "listener")})

    def _on_hello_ok(self, headers: Mapping[str, str]) -> None:
        self._peer = self._checked(Greeting.of(headers))
        if self._token is not None and not self._is_proof(headers, self._token, "listener"):
            raise ProtocolError("the peer does not know the token", Code.UNAUTHENTICATED)
        self._step = {}
        self._finish(None)

    def _checked(self, peer: Greeting) -> Greeting:
        if peer.namespace != self._own.namespace:
            raise ProtocolError("another namespace is served here", Code.WRONG_NAMESPACE)
        if peer.instance == self._own.instance:
            raise ProtocolError("this is you", Code.SELF)
        return peer

    def _on_error(self, block: bytes) -> None:
        headers = decode_block(block)
        error = PeerError(headers.get("wl-error", "UNKNOWN"), headers.get("wl-message", ""))
        if self._link is not None:
            self._link.close(error)

    def _finish(self, answer: Mapping[str, str] | None) -> None:
        if answer is not None:
            self._send(FrameType.HELLO_OK, answer)
        if self._link is not None and self._peer is not None:
            self._on_done(self._link, self._peer)

    def _send(self, kind: FrameType, headers: Mapping[str, str]) -> None:
        if self._link is not None:
            self._link.write(frame(kind, block=encode_block(headers.items())))

    def _proof(self, token: str, role: str) -> str:
        return proof(token, role, self._dialler_nonce, self._listener_nonce)

    def _is_proof(self, headers: Mapping[str, str], token: str, role: str) -> bool:
        claimed = headers.get("wl-proof")
        return is_proof(claimed, token, role, self._dialler_nonce, self._listener_nonce)
