"""Calling other services: events, requests, streams."""

from wireloom.client.blocking import BlockingClient
from wireloom.client.events import EventStream
from wireloom.client.proxy import ClientProxy
from wireloom.client.streams import Stream

__all__ = ["BlockingClient", "ClientProxy", "EventStream", "Stream"]
