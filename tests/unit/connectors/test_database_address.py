"""Addresses of databases: what is read, what is refused, and no password anywhere."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from connectors.errors import MalformedInput
from connectors.mlflow.database_address import (
    DatabaseKind,
    is_database_address,
    read_address,
    without_password,
)

PASSWORD = "hunter2"


@pytest.mark.parametrize(
    ("address", "kind", "shown"),
    [
        ("postgresql://ann@db/ml", "postgresql", "postgresql://ann@db:5432/ml"),
        ("postgres://db:1/ml", "postgresql", "postgresql://db:1/ml"),
        ("postgresql+psycopg2://db/ml", "postgresql", "postgresql://db:5432/ml"),
        ("mysql://ann@db/ml", "mysql", "mysql://ann@db:3306/ml"),
        ("mysql+pymysql://db/ml", "mysql", "mysql://db:3306/ml"),
        ("mariadb://[::1]/ml", "mysql", "mysql://[::1]:3306/ml"),
        ("POSTGRESQL://db/ml", "postgresql", "postgresql://db:5432/ml"),
    ],
)
def test_addresses_are_read_as_mlflow_writes_them(
    address: str, kind: str, shown: str
) -> None:
    found = read_address(address, {})
    assert (found.kind.value, found.shown) == (kind, shown)


@pytest.mark.parametrize(
    "address", ["mlflow.db", "sqlite:///x.db", "http://u:p@h", "s3://b/p", "", "db://x"]
)
def test_other_addresses_are_left_alone(address: str) -> None:
    assert not is_database_address(address)
    assert without_password(address) == (address, None)


def test_parts_are_unquoted() -> None:
    found = read_address("mysql://a%40b:p%2Fw%20%3A@db/m%C3%BC?ssl_ca=/etc/ca.pem", {})
    assert (found.user, found.database) == ("a@b", "mü")
    assert found.password is not None
    assert found.password.reveal() == "p/w :"
    assert found.options == {"ssl_ca": "/etc/ca.pem"}


def test_socket_is_a_host_of_postgres() -> None:
    found = read_address("postgresql:///ml?host=/run/postgresql", {})
    assert (found.host, found.default_name) == ("/run/postgresql", "localhost-ml")


def test_databases_of_two_hosts_get_two_names() -> None:
    names = {
        read_address(f"postgresql://{host}/mlflow", {}).default_name
        for host in ("a.example", "b.example")
    }
    assert names == {"a-example-mlflow", "b-example-mlflow"}


@pytest.mark.parametrize(
    ("given", "variables", "expected"),
    [
        ("postgresql://u:inside@h/d", {"PGPASSWORD": "outside"}, "inside"),
        ("postgresql://u@h/d", {"PGPASSWORD": "outside"}, "outside"),
        ("mysql://u@h/d", {"MYSQL_PWD": "outside"}, "outside"),
        ("mysql://u@h/d", {"PGPASSWORD": "of the other"}, None),
        ("postgresql://u:@h/d", {}, None),
    ],
)
def test_password_is_the_address_s_or_the_environment_s(
    given: str, variables: dict[str, str], expected: str | None
) -> None:
    found = read_address(given, variables).password
    assert (found and found.reveal()) == expected


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://ann:{PASSWORD}@db:5432/ml",
        f"postgresql+psycopg2://ann:{PASSWORD}@db/ml?sslmode=require",
        f"mysql+pymysql://:{PASSWORD}@db/ml",
        f"mysql://ann:{PASSWORD}@@db/ml",
        f"mysql://ann:x:{PASSWORD}@db/ml",
    ],
)
def test_password_is_taken_off_and_shown_nowhere(address: str) -> None:
    plain, secret = without_password(address)
    found = read_address(address, {})
    assert secret is not None
    for shown in (plain, found.shown, repr(found), str(found), repr(secret)):
        assert PASSWORD not in shown
    assert without_password(plain) == (plain, None)
    assert read_address(plain, {}).shown == found.shown


HOSTILE = [
    f"postgresql://ann:{PASSWORD}/x@db/ml",
    f"postgresql://ann:{PASSWORD}#x@db/ml",
    f"postgresql://ann:{PASSWORD}?x@db/ml",
    f"postgresql://ann:{PASSWORD}/ml",
    f"postgresql://db/ml?password={PASSWORD}",
    f"postgresql://db/ml?sslpassword={PASSWORD}",
    f"mysql://db/ml?passwd={PASSWORD}",
    f"postgresql://ann:{PASSWORD}@db:port/ml",
    f"postgresql://ann:{PASSWORD}@db:99999/ml",
    f"postgresql://ann:{PASSWORD}@[::1/ml",
    f"postgresql://ann:{PASSWORD}@one:1,two:2/ml",
    f"postgresql://ann:{PASSWORD}@one,two/ml",
    f"postgresql://ann:{PASSWORD}@db",
    f"postgresql://ann:{PASSWORD}@db/",
    f"postgresql://ann:{PASSWORD}@db/a/b",
    f"mysql://ann%0a:{PASSWORD}@db/ml",
    f"mysql://ann:{PASSWORD}@db/ml%00",
    f"mysql://ann:{PASSWORD}@db/ml?local_infile=1",
    f"mysql://ann:{PASSWORD}@db/ml?init_command=DROP",
    f"postgresql://ann:{PASSWORD}@db/ml?sslmode=a%0ab",
]


@pytest.mark.parametrize("address", HOSTILE)
def test_what_cannot_be_read_is_refused_and_not_repeated(address: str) -> None:
    def read(given: list[str]) -> Any:
        return read_address(given.pop(), {})

    with pytest.raises(MalformedInput) as caught:
        read([address])
    error = caught.value
    assert error.hint
    told = "".join(traceback.format_exception(error)) + error.hint
    assert PASSWORD not in told


def test_each_kind_takes_its_own_options_only() -> None:
    read_address("postgresql://h/d?sslmode=verify-full&sslrootcert=/ca", {})
    with pytest.raises(MalformedInput, match="sslmode"):
        read_address("mysql://h/d?sslmode=verify-full", {})
    assert read_address("mysql://h/d?charset=utf8mb4", {}).kind is DatabaseKind.MYSQL
