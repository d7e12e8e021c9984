"""Real Postgres and MariaDB servers in folders of their own, for the contract tests."""

from __future__ import annotations

import contextlib
import getpass
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

OWNER = "owner"
OWNER_PASSWORD = "owner's own"
DATABASE = "mlflow"
_START_SECONDS = 60.0
_POSTGRES_PLACES = "/usr/lib/postgresql/*/bin"
_MARIADB_PLACES = "/usr/sbin", "/usr/libexec"


@dataclass(slots=True, eq=False)
class DatabaseServer:
    """A started server with one empty database, and who owns that."""

    scheme: str
    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    client: tuple[str, ...]
    """The server's own client program, as its administrator."""

    def address(
        self,
        user: str = OWNER,
        password: str = OWNER_PASSWORD,
        database: str = DATABASE,
    ) -> str:
        """An address as MLflow writes it."""
        from urllib.parse import quote

        secret = f":{quote(password, safe='')}" if password else ""
        place = f"127.0.0.1:{self.port}/{database}"
        return f"{self.scheme}://{user}{secret}@{place}"

    @property
    def for_mlflow(self) -> str:
        """The address as MLflow takes it."""
        driver = {"postgresql": "postgresql+psycopg2", "mysql": "mysql+pymysql"}
        return self.address().replace(self.scheme, driver[self.scheme], 1)

    def execute(self, statements: str, database: str = DATABASE) -> str:
        """Run statements as the administrator and return what they answered."""
        done = subprocess.run(
            [*self.client, database],
            input=statements.encode(),
            capture_output=True,
            timeout=120,
            check=False,
            env={k: v for k, v in os.environ.items() if k != "MYSQL_PWD"},
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout.decode()

    def freeze(self) -> None:
        """Let it hang with all its connections, until it is stopped."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        """Backends of Postgres lead sessions of their own."""
        listed = ["ps", "-o", "pid=", "--ppid", str(self.process.pid)]
        children = subprocess.run(listed, capture_output=True, text=True, check=False)
        for process in (self.process.pid, *map(int, children.stdout.split())):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def kill(self) -> None:
        """End it as a power cut would; on Postgres with every backend."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def running_postgres(*, has_tls: bool = False) -> Iterator[DatabaseServer]:
    """Start a Postgres; the test is skipped where there is none."""
    found = _program("postgres", sorted(glob.glob(_POSTGRES_PLACES)))
    with _folder("postgres") as (folder, user):
        data, port = folder / "data", _free_port()
        secret = folder / "password"
        secret.write_text("administrator")
        _own(secret, user)
        setting_up = [str(found.with_name("initdb")), "-D", str(data), "-U", "admin"]
        setting_up += ["--auth=scram-sha-256", f"--pwfile={secret}", "--no-sync"]
        _run([*setting_up, "--encoding=UTF8", "--locale=C.UTF-8"], user)
        command = [str(found), "-D", str(data), "-k", str(folder)]
        command += ["-h", "127.0.0.1", "-p", str(port), "-c", "fsync=off"]
        if has_tls:
            certificate, key = make_certificate(folder, "server", user)
            command += ["-c", "ssl=on", "-c", f"ssl_cert_file={certificate}"]
            command += ["-c", f"ssl_key_file={key}"]
        client: tuple[str, ...]
        client = ("env", "PGPASSWORD=administrator", str(found.with_name("psql")))
        client += ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1")
        client += ("-h", "127.0.0.1", "-p", str(port), "-U", "admin")
        with _started("postgresql", command, folder, user, port, client) as server:
            server.execute(
                f"CREATE ROLE {OWNER} LOGIN PASSWORD '{_quoted(OWNER_PASSWORD)}';"
                f"CREATE DATABASE {DATABASE} OWNER {OWNER};",
                "postgres",
            )
            yield server


@contextlib.contextmanager
def running_mariadb(*, has_tls: bool = False) -> Iterator[DatabaseServer]:
    """Start a MariaDB; the test is skipped where there is none."""
    found = _program("mariadbd", _MARIADB_PLACES)
    with _folder("mysql") as (folder, user):
        data, port = folder / "data", _free_port()
        installing = ["mariadb-install-db", "--no-defaults", f"--datadir={data}"]
        installing += ["--auth-root-authentication-method=normal", "--skip-test-db"]
        _run(installing, user)
        command = [str(found), "--no-defaults", f"--datadir={data}", f"--port={port}"]
        command += [f"--socket={folder}/sock", "--bind-address=127.0.0.1"]
        command += [f"--pid-file={folder}/pid", "--innodb-flush-log-at-trx-commit=0"]
        if has_tls:
            certificate, key = make_certificate(folder, "server", user)
            command += [f"--ssl-cert={certificate}", f"--ssl-key={key}"]
        client: tuple[str, ...]
        client = ("mariadb", "--no-defaults", f"--socket={folder}/sock", "-uroot")
        client += ("--batch", "--skip-column-names", "--default-character-set=utf8mb4")
        with _started("mysql", command, folder, user, port, client) as server:
            server.execute(
                f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4;"
                f"CREATE USER {OWNER} IDENTIFIED BY '{_quoted(OWNER_PASSWORD)}';"
                f"GRANT ALL ON {DATABASE}.* TO {OWNER};",
                "mysql",
            )
            yield server


def make_certificate(
    folder: Path, name: str, user: str | None = None
) -> tuple[Path, Path]:
    """A certificate of its own for 127.0.0.1, and its key."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    making = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    making += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    making += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(making, check=True, capture_output=True, timeout=60)
    for made in (certificate, key):
        _own(made, user)
    key.chmod(0o600)
    return certificate, key


@contextlib.contextmanager
def _started(
    scheme: str,
    command: list[str],
    folder: Path,
    user: str | None,
    port: int,
    client: tuple[str, ...],
) -> Iterator[DatabaseServer]:
    with open(folder / "server.log", "wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
        )
    server = DatabaseServer(scheme, port, folder, process, client)
    try:
        _wait(server)
        yield server
    finally:
        if process.poll() is None:
            server.thaw()
            process.send_signal(
                signal.SIGINT if scheme == "postgresql" else signal.SIGTERM
            )
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait(server: DatabaseServer) -> None:
    deadline = time.monotonic() + _START_SECONDS
    administered = {"postgresql": "postgres"}.get(server.scheme, "mysql")
    problem = ""
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            server.execute("SELECT 1;", administered)
        except AssertionError as cause:
            problem = str(cause)
            time.sleep(0.1)
        else:
            return
    log = (server.folder / "server.log").read_text(errors="replace")[-2000:]
    raise AssertionError(f"the database server did not start: {problem} {log}")


@contextlib.contextmanager
def _folder(user: str) -> Iterator[tuple[Path, str | None]]:
    """A folder that its server owns, and whom to start it as: neither runs as root."""
    name = None
    if os.geteuid() == 0:
        known = {entry.pw_name for entry in pwd.getpwall()}
        name = user if user in known else "nobody"
    with tempfile.TemporaryDirectory(prefix="contract-") as made:
        folder = Path(made)
        _own(folder, name)
        yield folder, name


def _own(path: Path, user: str | None) -> None:
    if user is not None:
        shutil.chown(path, user)
    path.chmod(0o700)


def _program(name: str, places: tuple[str, ...] | list[str]) -> Path:
    for place in reversed(places):
        if (Path(place) / name).is_file():
            return Path(place) / name
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"peer: no {name} is installed")
    return Path(found).resolve()


def _run(command: list[str], user: str | None) -> None:
    done = subprocess.run(
        command,
        capture_output=True,
        timeout=180,
        check=False,
        user=user,
        cwd="/",
        env={**os.environ, "HOME": "/", "USER": user or getpass.getuser()},
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode(errors="replace")


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
