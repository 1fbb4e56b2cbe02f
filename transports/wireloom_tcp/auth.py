"""Showing that one knows the token, without sending it."""

import hashlib
import hmac
import secrets

__all__ = ["is_proof", "new_nonce", "proof"]


def new_nonce() -> str:
    """Return 16 random bytes, as text."""
    return secrets.token_hex(16)


def proof(token: str, role: str, dialler_nonce: str, listener_nonce: str) -> str:
    """Return what only somebody with the token can, for these two nonces.

    `role` is "dialler" or "listener", so that neither side can send the other's proof back.
    """
    text = f"wireloom/1 {role}\n{dialler_nonce}\n{listener_nonce}"
    return hmac.new(token.encode(), text.encode(), hashlib.sha256).hexdigest()


def is_proof(
    claimed: str | None, token: str, role: str, dialler_nonce: str, listener_nonce: str
) -> bool:
    """Tell whether a proof is right, in a time that tells nothing about where it is wrong."""
    expected = proof(token, role, dialler_nonce, listener_nonce)
    return hmac.compare_digest((claimed or "").encode(), expected.encode())
