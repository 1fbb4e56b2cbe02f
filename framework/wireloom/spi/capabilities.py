"""What a transport can do, as facts that the core and the conformance suite read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Capabilities"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """A flag that is set must be proven by the conformance suite; one that is not set makes the
    core refuse, at start, whatever needs it.
    """

    requests: bool = True
    """Request–reply with typed errors, deadlines, cancellation and streamed replies."""
    groups: bool = True
    """Members of a group compete, groups get a copy each."""
    broadcast: bool = True
    """Every instance gets a copy on request."""
    ordered: bool = True
    """Events of one key can be run in order."""
    retry: bool = True
    delay: bool = True
    dead_letter: bool = True
    dedup: bool = True
    native_dedup: bool = False
    """The transport itself drops a second message with the same address and id; else the core
    remembers ids at the consumer."""
    durable: bool = False
    """An event that was accepted outlives the processes, and waits for a group that is away."""
    redelivers: bool = False
    """What was delivered and not settled is delivered again when its consumer dies."""
    publisher_ack: bool = False
    """`publish` returns when the message is safe, not when it was written to a socket."""
    replay: bool = False
    """A new group can start from the first message, a sequence or a time."""
    wildcards: bool = True
    """`*`, `>` and `{name}` in patterns of durable events."""
    no_handler: bool = True
    """A request that nobody handles fails at once instead of timing out."""
    cancels_unanswered: bool = False
    """A CANCEL without an address finds the request by its id, before any answer came."""
    single_process: bool = False
    """Its peers live in one process."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What the table in the documentation says in place of yes or no, by flag."""
