import pytest

from wireloom import Application, ConfigurationError, MessagePattern, UnsupportedOptionError
from wireloom.cli.sharing import share_ports
from wireloom_tcp import TcpOptions


@MessagePattern("ping")
async def ping() -> str:
    return "pong"


def application(**transports: object) -> Application:
    return Application("one", handlers=[ping], transports=transports)  # type: ignore[arg-type]


def test_port_is_shared_by_an_application_whose_clients_are_handed_out() -> None:
    app = application(main=TcpOptions(listen="127.0.0.1:4000"))
    client = app.client("main")
    share_ports(app)
    options = app.links["main"].options
    assert isinstance(options, TcpOptions)
    assert options.reuse_port
    assert app.client("main") is client


def test_node_that_only_connects_is_left_as_it_is() -> None:
    app = application(main=TcpOptions(listen=None, connect=["127.0.0.1:4000"]))
    options = app.links["main"].options
    share_ports(app)
    assert app.links["main"].options is options


def test_any_free_port_cannot_be_shared() -> None:
    with pytest.raises(ConfigurationError, match="'main' listens at any free port"):
        share_ports(application(main=TcpOptions(listen="127.0.0.1:0")))


def test_transport_of_one_process_cannot_have_workers() -> None:
    with pytest.raises(UnsupportedOptionError, match=r"--workers.*memory"):
        share_ports(application(main="memory://"))
