"""Keeps passwords out of the driver's log."""

import logging

__all__ = ["hide_passwords"]


class _Redacting(logging.Filter):
    """aiokafka logs every request when debugging, the one that holds the password too."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without what is secret."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                "<hidden>" if type(arg).__name__.startswith("SaslAuthenticate") else arg
                for arg in record.args
            )
        return True


_FILTER = _Redacting()


def hide_passwords() -> None:
    """See that the driver's log shows none; doing it twice is doing it once."""
    logging.getLogger("aiokafka.conn").addFilter(_FILTER)
