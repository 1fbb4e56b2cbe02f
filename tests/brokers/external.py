"""A broker which somebody else runs, named by an environment URL."""

from typing import NoReturn

from tests.brokers.broker import Broker, UnmanagedBrokerError


class ExternalBroker(Broker):
    """Used as it is: started and closed without effect, and never stopped."""

    managed = False

    def __init__(self, name: str, variable: str, url: str) -> None:
        self.name = name
        self.url = url
        self._variable = variable

    def start(self) -> None:
        """Do nothing: it runs already, or the first client says that it does not."""

    def close(self) -> None:
        """Do nothing: what it stores is not ours."""

    def stop(self) -> NoReturn:
        self._refuse("stopped")

    def kill(self) -> NoReturn:
        self._refuse("killed")

    def pause(self) -> NoReturn:
        self._refuse("paused")

    def resume(self) -> NoReturn:
        self._refuse("resumed")

    def _refuse(self, what: str) -> NoReturn:
        raise UnmanagedBrokerError(
            f"the {self.name} broker of {self._variable} is not ours to be {what};"
            f" unset {self._variable} for tests that plant faults"
        )
