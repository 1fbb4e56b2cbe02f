"""Kafka's jars from Maven Central, in the user's cache, and the Java to run them."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.brokers.broker import MissingBrokerError
from tests.brokers.install.apt import install, program
from tests.brokers.install.commands import run

_DESCRIPTION = Path(__file__).with_name("pom.xml")
_OLDEST_JAVA = 17
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:copy-dependencies"
_VERSION = re.compile(r'version "(\d+)')


def java() -> str:
    """The path of a Java that is new enough for Kafka 4.

    Raises:
        MissingBrokerError: there is none.
    """
    path = program("java")
    asked = subprocess.run([path, "-version"], capture_output=True, text=True, check=True)
    found = _VERSION.search(asked.stderr)
    if found is None or int(found[1]) < _OLDEST_JAVA:
        raise MissingBrokerError(
            f"Kafka 4 needs Java {_OLDEST_JAVA} or newer, {path} is {asked.stderr.splitlines()[0]}"
        )
    return path


def class_path() -> str:
    """The class path of a Kafka server.

    Raises:
        MissingBrokerError: its jars have not been fetched.
    """
    if not _jars().exists():
        raise MissingBrokerError("kafka is not installed; run: python -m tests.brokers ensure")
    return str(_jars() / "*")


def ensure_kafka() -> None:
    """Fetch Kafka's jars if they are missing, installing Java and Maven first where they are.

    Raises:
        MissingBrokerError: something is missing, and this machine does not let us install it.
    """
    if shutil.which("java") is None:
        install("default-jre-headless")
    java()
    if _jars().exists():
        return
    if shutil.which("mvn") is None:
        install("maven")
    _fetch(_jars())


def _jars() -> Path:
    # Named after the description, so that another version never runs with these jars.
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    version = hashlib.sha256(_DESCRIPTION.read_bytes()).hexdigest()[:12]
    return cache / "wireloom" / f"kafka-{version}"


def _fetch(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # Renamed when complete: an interrupted or a concurrent run leaves no half a server.
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        jars = Path(scratch) / "jars"
        command = ["mvn", "-q", "-B", "-f", str(_DESCRIPTION), _COPY, f"-DoutputDirectory={jars}"]
        run(command, by_hand=" ".join([*command[:-1], f"-DoutputDirectory={target}"]))
        try:
            jars.rename(target)
        except OSError:
            if not target.exists():
                raise
