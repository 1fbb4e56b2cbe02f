"""Credentials and TLS, with a certificate authority that lives as long as the tests."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import nkeys
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.brokers.native.nats import NatsServer
from tests.transports.nats.conftest import Site, Taken, declaration, event, subscription, until
from wireloom.errors import ConnectionFailedError
from wireloom.spi import Status

SECRET = "s3cret-canary"


class Authority:
    """Signs certificates for 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "throw-away")])
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self._sign(self._key, self._name, authority=True))

    def _sign(self, key: ec.EllipticCurvePrivateKey, name: x509.Name, *, authority: bool) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if authority:
            usage = x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            )
            builder = builder.add_extension(usage, critical=True)
        else:
            names = [x509.IPAddress(ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)

    def settings(self) -> list[str]:
        """Lines of a server's configuration."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        (self.folder / "server.pem").write_bytes(self._sign(key, name, authority=False))
        (self.folder / "server.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        folder = self.folder
        return [f'tls {{ cert_file: "{folder}/server.pem", key_file: "{folder}/server.key" }}']


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ca")


@pytest.fixture(scope="module")
def tls_server(authority: Authority) -> Iterator[NatsServer]:
    with NatsServer(authority.settings()) as server:
        yield server


@pytest.fixture(scope="module")
def locked_server() -> Iterator[NatsServer]:
    with NatsServer([f'authorization {{ user: "app", password: "{SECRET}" }}']) as server:
        yield server


@pytest.fixture(scope="module")
def plain_server() -> Iterator[NatsServer]:
    with NatsServer() as server:
        yield server


async def test_a_trusted_certificate_is_accepted(
    tls_server: NatsServer, authority: Authority
) -> None:
    for options in (
        {"tls_ca": authority.ca},
        {"tls": ssl.create_default_context(cafile=authority.ca)},
        {"servers": [f"tls://127.0.0.1:{tls_server.port}"], "tls_ca": authority.ca},
    ):
        site = Site(tls_server.url)
        transport = await site.connect(**options)
        await transport.publish(event("user.created"))
        await site.close()


async def test_an_unknown_certificate_is_refused_for_good(
    tls_server: NatsServer, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other")
    site = Site(tls_server.url)
    with pytest.raises(ConnectionFailedError, match="certificate") as caught:
        await site.connect(tls_ca=other.ca)
    assert caught.value.fatal
    await site.close()


async def test_the_wrong_name_in_a_certificate_is_refused(
    tls_server: NatsServer, authority: Authority
) -> None:
    site = Site(tls_server.url)
    with pytest.raises(ConnectionFailedError, match=r"example\.org") as caught:
        await site.connect(tls_ca=authority.ca, tls_hostname="example.org")
    assert caught.value.fatal
    await site.close()


@pytest.mark.parametrize("scheme", ["nats", "tls"])
async def test_no_password_goes_over_a_plain_connection_where_tls_was_asked_for(
    plain_server: NatsServer, scheme: str
) -> None:
    site = Site(plain_server.url)
    server = f"{scheme}://127.0.0.1:{plain_server.port}"
    options = {"tls": True} if scheme == "nats" else {}
    with pytest.raises(ConnectionFailedError, match="no TLS") as caught:
        await site.connect(servers=[server], user="app", password=SECRET, **options)
    assert caught.value.fatal
    await site.close()


@pytest.mark.parametrize(
    "options", [{}, {"user": "app", "password": f"{SECRET}-wrong"}, {"auth_token": SECRET}]
)
async def test_wrong_credentials_end_the_start_and_are_not_shown(
    locked_server: NatsServer, options: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(locked_server.url)
    with pytest.raises(ConnectionFailedError) as caught:
        await site.connect(**options)
    assert caught.value.fatal
    assert SECRET not in f"{caught.value!s}{caught.value!r}{caplog.text}"
    await site.close()


async def test_credentials_in_the_address_or_in_options_are_used(
    locked_server: NatsServer,
) -> None:
    address = f"nats://app:{SECRET}@127.0.0.1:{locked_server.port}"
    for options in ({"servers": [address]}, {"user": "app", "password": SECRET}):
        site = Site(locked_server.url)
        transport = await site.connect(**options)
        await transport.probe()
        assert SECRET not in repr(transport._options)
        await site.close()


async def test_an_nkey_is_used(tmp_path: Path) -> None:
    seed = nkeys.encode_seed(b"\x07" * 32, nkeys.PREFIX_BYTE_USER)
    public = nkeys.from_seed(bytearray(seed)).public_key.decode()
    path = tmp_path / "user.nk"
    path.write_bytes(seed)
    with NatsServer([f"authorization {{ users: [{{ nkey: {public} }}] }}"]) as server:
        site = Site(server.url)
        transport = await site.connect(nkey_seed=path)
        await transport.probe()
        await site.close()


async def test_revoked_credentials_are_a_failure_until_they_are_right_again() -> None:
    right = [f'authorization {{ user: "app", password: "{SECRET}" }}']
    wrong = ['authorization { user: "app", password: "other" }']
    with NatsServer(right) as server:
        site = Site(server.url)
        transport = await site.connect(user="app", password=SECRET)
        statuses = site.statuses[transport]
        server.kill()
        server.settings = tuple(wrong)
        server.start()
        await statuses.reach(Status.FAILED)
        server.kill()
        server.settings = tuple(right)
        server.start()
        await statuses.reach(Status.CONNECTED)
        await transport.probe()
        await site.close()


async def test_the_printed_permissions_are_enough() -> None:
    with NatsServer() as probe:
        site = Site(probe.url)
        transport = site.build()
        declared = [declaration("user.created")]
        stored = subscription("user.created", ordered=True)
        rights = transport.permissions(declared, [stored])
        await site.close()
    allowed: dict[str, list[str]] = {"publish": [], "subscribe": []}
    for right in rights:
        verb, subject = right.split(" ", 1)
        allowed[verb].append(f'"{subject}"')
    users = (
        f'authorization {{ users: [{{ user: "app", password: "{SECRET}", permissions: {{ '
        f"publish: [{', '.join(allowed['publish'])}], "
        f"subscribe: [{', '.join(allowed['subscribe'])}] }} }}] }}"
    )
    with NatsServer([users]) as server:
        limited = Site(server.url)
        limited.namespace = site.namespace
        transport = await limited.connect(user="app", password=SECRET)
        await transport.declare(declared)
        taken = Taken()
        await transport.subscribe(stored, taken)
        await transport.publish(event("user.created"))
        await (await taken.next()).retry(0.0, 2)
        taken.free()
        again = await taken.next()
        assert again.attempt == 2
        await again.dead_letter({"wl-dead-reason": "x"})
        taken.free()
        letters = [row async for row in transport.dead_letters.read(stored.name)]
        await transport.dead_letters.replay(letters[0])
        assert (await taken.take()).replayed
        await until(lambda: taken.waiting == 0)
        await limited.close()
