"""The cases, a module for each subject."""

from wireloom.testing.conformance.cases.delivery import DeliveryCases
from wireloom.testing.conformance.cases.failures import FailureCases
from wireloom.testing.conformance.cases.faults import FaultCases
from wireloom.testing.conformance.cases.lifecycle import LifecycleCases
from wireloom.testing.conformance.cases.load import LoadCases
from wireloom.testing.conformance.cases.order import OrderCases
from wireloom.testing.conformance.cases.publishing import PublishingCases
from wireloom.testing.conformance.cases.refusals import RefusalCases
from wireloom.testing.conformance.cases.replay import ReplayCases
from wireloom.testing.conformance.cases.requests import RequestCases
from wireloom.testing.conformance.cases.streams import StreamCases

__all__ = ["TransportConformance"]


class TransportConformance(
    DeliveryCases,
    FailureCases,
    OrderCases,
    PublishingCases,
    LifecycleCases,
    RequestCases,
    StreamCases,
    ReplayCases,
    FaultCases,
    LoadCases,
    RefusalCases,
):
    """All cases. Set `transport` and `site_type`; override `site` where that takes arguments."""
