"""One suite for every transport. A new one is tested by inheriting:

    pytest_plugins = ["wireloom.testing.conformance"]            # in the top conftest.py

    class TestMine(TransportConformance):
        transport = MyTransport
        site_type = MySite                                       # a Site whose join() gives options

Cases are chosen by the transport's capabilities, never by its name; each names the number of what
it shows. At the end of the run the table of capabilities is printed.
"""

from wireloom.testing.conformance.base import Conformance, needs, needs_site
from wireloom.testing.conformance.cases import TransportConformance
from wireloom.testing.conformance.cluster import TOKEN, Cluster
from wireloom.testing.conformance.plugin import (
    pytest_collection_modifyitems,
    pytest_terminal_summary,
)
from wireloom.testing.conformance.record import WITHIN, Record
from wireloom.testing.conformance.site import Site

__all__ = [
    "TOKEN",
    "WITHIN",
    "Cluster",
    "Conformance",
    "Record",
    "Site",
    "TransportConformance",
    "needs",
    "needs_site",
    "pytest_collection_modifyitems",
    "pytest_terminal_summary",
]
