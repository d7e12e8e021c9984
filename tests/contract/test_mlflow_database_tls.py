"""Connections to databases under TLS: as strict as the address says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.errors import ConnectorError, MalformedInput
from connectors.opening import open_sources
from tests.contract.database_servers import (
    DatabaseServer,
    make_certificate,
    running_mariadb,
    running_postgres,
)

pytestmark = [pytest.mark.peer, pytest.mark.slow]
STARTERS = {"postgresql": running_postgres, "mysql": running_mariadb}
STRICT = {
    "postgresql": "?sslmode=verify-full&sslrootcert={authority}",
    "mysql": "?ssl_ca={authority}&ssl_verify_cert=true&ssl_verify_identity=true",
}
REQUIRED = "?sslmode=require"


@pytest.fixture(scope="module", params=sorted(STARTERS))
def with_tls(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    with STARTERS[request.param](has_tls=True) as server:
        yield server


def connected(server: DatabaseServer, options: str) -> None:
    """Who gets as far as to look at the tables is connected."""
    with pytest.raises(MalformedInput, match="not MLflow's"):
        open_sources(server.address() + options)


def test_server_with_the_right_certificate_is_read(with_tls: DatabaseServer) -> None:
    authority = with_tls.folder / "server.crt"
    connected(with_tls, STRICT[with_tls.scheme].format(authority=authority))


def test_server_with_another_certificate_is_not_read(
    with_tls: DatabaseServer, tmp_path: Path
) -> None:
    authority, _ = make_certificate(tmp_path, "another")
    options = STRICT[with_tls.scheme].format(authority=authority)
    with pytest.raises(ConnectorError) as caught:
        open_sources(with_tls.address() + options)
    assert not isinstance(caught.value, MalformedInput)
    assert "certificate" in str(caught.value).lower()


def test_server_without_tls_is_not_read_where_the_address_wants_it() -> None:
    with running_postgres() as server, pytest.raises(ConnectorError, match="SSL"):
        open_sources(server.address() + REQUIRED)
