"""Statements, proofs and checkpoints are held to verifiers that others wrote.

They read the files that `export` writes and nothing else; each must accept what is as
it was signed, and refuse it with one byte changed, under another key, as another type.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors.signers.files import FileSigner
from console.cli import main
from console.reports.foreign_verifiers import SIGSTORE_JS_PROGRAM
from console.reports.statement_files import (
    public_key_pem,
    statement_files,
    write_folder,
)
from console.services.checkpoints import make_checkpoint
from console.services.demonstration import Demonstrated
from console.services.founding import enrol, make_offer, read_offer
from console.services.proofs import inclusion_text
from console.services.signing import Acting, append
from policies.keys import PublicKey, public_key
from policies.predicates import Grant
from policies.predicates.records import Comment
from store.facts import Fact, FactKind
from tests.peers.verifiers import (
    VERIFIED,
    Exported,
    cosign,
    go_tlog,
    openssl,
    run,
    sigstore_js,
    sigstore_js_folder,
    with_changed_payload,
    with_changed_signature,
    with_swapped_payload_type,
)
from tests.worlds import World

Verifier = Callable[[Sequence[Exported]], list[str]]
VERIFIERS = [
    pytest.param(openssl, id="openssl", marks=pytest.mark.peer),
    pytest.param(sigstore_js, id="sigstore-js", marks=pytest.mark.peer),
    pytest.param(cosign, id="cosign", marks=[pytest.mark.peer, pytest.mark.slow]),
]


@pytest.fixture(scope="module")
def audited(finished_demo: Demonstrated) -> list[Exported]:
    """Every statement of the demonstration's auditor's file."""
    with zipfile.ZipFile(finished_demo.audit) as archive:
        read = archive.read
        stems = [
            name.removesuffix(".sig")
            for name in archive.namelist()
            if name.endswith(".sig")
        ]
        return [
            Exported(
                pem=read(f"keys/{read(f'{stem}.key').decode().strip()}.pem"),
                pae=read(f"{stem}.pae"),
                signature=read(f"{stem}.sig"),
                bundle=read(f"{stem}.sigstore.json"),
            )
            for stem in stems
        ]


def join(world: World, name: str, signer: FileSigner) -> Acting:
    """Enrol somebody whose key is already there."""
    offer = make_offer(world.store.origin, signer, name=name, identities=())
    read = read_offer(offer, world.store.origin)
    enrol(world.store, world.people["dana"], read, (Grant("requester"),))
    return Acting(read.person, signer, public_key(signer.spki))


def exported_comment(world: World, who: Acting) -> Exported:
    """A statement of theirs, through the files of `export statement`."""
    text = world.store.objects.put(b'{"text":"seen"}')
    comment = Comment("model:m/fraud", "0" * 64, text)
    made = append(world.store, who, comment, ("fraud", "1" * 64))
    files = statement_files(world.store, made.index, make_checkpoint(world.store))
    stem = f"{made.index:06d}-comment"
    return Exported(
        pem=files["key.pem"],
        pae=files[f"{stem}.pae"],
        signature=files[f"{stem}.sig"],
        bundle=files[f"{stem}.sigstore.json"],
    )


@pytest.fixture
def of_each_kind(world: World) -> list[Exported]:
    """A statement by an Ed25519 key and one by a P-256 key."""
    curve = FileSigner(ec.generate_private_key(ec.SECP256R1()))
    return [
        exported_comment(world, world.hire("edward", "requester")),
        exported_comment(world, join(world, "Petra", curve)),
    ]


def another_key(exported: Exported) -> bytes:
    """The PEM of a fresh key of the same kind."""
    return public_key_pem(_fresh_key(exported))


def _fresh_key(exported: Exported) -> PublicKey:
    if exported.is_p256:
        return public_key(FileSigner(ec.generate_private_key(ec.SECP256R1())).spki)
    return public_key(FileSigner(Ed25519PrivateKey.generate()).spki)


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_every_statement_of_the_auditors_file_verifies_without_us(
    audited: list[Exported], verifier: Verifier
) -> None:
    assert len(audited) > 10
    assert verifier(audited) == [VERIFIED] * len(audited)


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_one_exported_statement_of_each_kind_of_key_verifies_without_us(
    of_each_kind: list[Exported], verifier: Verifier
) -> None:
    assert [exported.is_p256 for exported in of_each_kind] == [False, True]
    assert verifier(of_each_kind) == [VERIFIED] * 2


@pytest.mark.parametrize("verifier", VERIFIERS)
@pytest.mark.parametrize(
    "change",
    [with_changed_payload, with_changed_signature, with_swapped_payload_type],
)
def test_a_changed_statement_is_refused_by_all_of_them(
    of_each_kind: list[Exported],
    verifier: Verifier,
    change: Callable[[Exported], Exported],
) -> None:
    changed = [change(exported) for exported in of_each_kind]
    for before, after in zip(of_each_kind, changed, strict=True):
        assert before != after
    assert VERIFIED not in verifier(changed)


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_a_statement_is_refused_under_another_key_by_all_of_them(
    of_each_kind: list[Exported], verifier: Verifier
) -> None:
    from dataclasses import replace

    changed = [replace(one, pem=another_key(one)) for one in of_each_kind]
    assert VERIFIED not in verifier(changed)


@pytest.mark.peer
def test_the_program_and_commands_of_the_readme_work_as_they_stand(
    world: World, tmp_path: Path
) -> None:
    folder = tmp_path / "statement"
    write_folder(folder, statement_files(world.store, 0, make_checkpoint(world.store)))
    readme = (folder / "README.txt").read_text()
    openssl_lines = readme[readme.index("openssl pkeyutl") :].split("\n\n")[0]
    assert run(["sh", "-c", f"cd '{folder}' && {openssl_lines}"]).returncode == 0
    lines = [line.removeprefix("      ") for line in readme.split("\n")]
    assert SIGSTORE_JS_PROGRAM in "\n".join(lines)
    (tmp_path / "node_modules").symlink_to(sigstore_js_folder() / "node_modules")
    (tmp_path / "verify.mjs").write_text(SIGSTORE_JS_PROGRAM)
    bundle = next(folder.glob("*.sigstore.json"))
    command = ["node", str(tmp_path / "verify.mjs"), str(bundle)]
    done = run([*command, str(folder / "key.pem")])
    assert done.stdout == b"verified\n", done.stderr
    changed = bundle.read_bytes().replace(b'"sig":"', b'"sig":"AA')
    bundle.write_bytes(changed)
    assert run([*command, str(folder / "key.pem")]).returncode != 0


@pytest.mark.slow
@pytest.mark.peer
def test_the_cosign_command_of_the_readme_works_as_it_stands(
    world: World, tmp_path: Path
) -> None:
    if shutil.which("cosign") is None:
        pytest.skip("cosign is not installed")
    folder = tmp_path / "statement"
    write_folder(folder, statement_files(world.store, 0, make_checkpoint(world.store)))
    readme = (folder / "README.txt").read_text()
    command = readme[readme.index("cosign verify") :].split("\n\n")[0]
    done = run(["sh", "-c", f"cd '{folder}' && {command}"])
    assert done.returncode == 0, done.stderr


def test_a_bundle_has_the_published_form(of_each_kind: list[Exported]) -> None:
    for exported in of_each_kind:
        bundle = json.loads(exported.bundle)
        assert bundle["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
        material, envelope = bundle["verificationMaterial"], bundle["dsseEnvelope"]
        assert set(bundle) == {"mediaType", "verificationMaterial", "dsseEnvelope"}
        assert material == {"publicKey": {"hint": key_id(exported.pem)}}
        (signature,) = envelope["signatures"]
        assert signature == {"sig": base64.b64encode(exported.signature).decode()}


def key_id(pem: bytes) -> str:
    """SHA-256 of what a PEM holds."""
    body = b"".join(pem.split(b"\n")[1:-2])
    return hashlib.sha256(base64.b64decode(body)).hexdigest()


@pytest.fixture
def grown(world: World) -> World:
    """A store whose log has more than a few entries."""
    for number in range(8):
        world.tell(Fact(kind=FactKind.TAG, subject="run:m/1", name=str(number)))
    return world


def proofs(world: World) -> list[dict[str, bytes]]:
    """The proof of every entry, with the entry and the log's key."""
    store, checkpoint = world.store, make_checkpoint(world.store)
    vkey = statement_files(store, 0, checkpoint)["log.vkey"]
    return [
        {
            "vkey": vkey,
            "proof": inclusion_text(store, index, checkpoint),
            "entry": store.log.entry_bytes(index),
        }
        for index in range(store.index.size)
    ]


@pytest.mark.peer
def test_go_finds_every_entry_in_the_tree_of_the_checkpoint(grown: World) -> None:
    cases = proofs(grown)
    checkpoint = make_checkpoint(grown.store)
    cases.append({"vkey": cases[0]["vkey"], "checkpoint": checkpoint})
    assert go_tlog(cases) == [VERIFIED] * len(cases)


@pytest.mark.peer
def test_go_refuses_changed_proofs_entries_and_checkpoints(grown: World) -> None:
    cases = proofs(grown)
    first, second = cases[0], cases[1]
    top, _, checkpoint = first["proof"].partition(b"\n\n")
    size = grown.store.index.size
    node = top.split(b"\n")[2]
    wrong = [
        first | {"entry": second["entry"]},
        first | {"entry": first["entry"] + b" "},
        first | {"proof": first["proof"].replace(b"index 0", b"index 1")},
        first | {"proof": first["proof"].replace(b"index 0", b"index 00")},
        first | {"proof": first["proof"].replace(node + b"\n", b"", 1)},
        first | {"proof": first["proof"].replace(node, node + b"\n" + node, 1)},
        first | {"proof": second["proof"].replace(b"index 1", b"index 0")},
        first | {"proof": top + b"\n\n" + checkpoint.replace(b"%d" % size, b"99", 1)},
        first | {"vkey": _other_vkey(first["vkey"])},
        {"vkey": first["vkey"], "checkpoint": checkpoint.replace(b"=\n", b"=\nx\n", 1)},
        {"vkey": first["vkey"], "checkpoint": checkpoint[:-5] + b"AAA=\n"},
        {"vkey": _other_vkey(first["vkey"]), "checkpoint": checkpoint},
    ]
    answers = go_tlog([first, *wrong])
    assert answers[0] == VERIFIED
    assert VERIFIED not in answers[1:], answers


def _other_vkey(vkey: bytes) -> bytes:
    """The verifier key of somebody else's log of the same name."""
    from policies.notes import note_key

    origin = vkey.decode().split("+")[0]
    key = public_key(FileSigner(Ed25519PrivateKey.generate()).spki)
    data = base64.b64encode(b"\x01" + key.raw_ed25519).decode()
    return f"{origin}+{note_key(origin, key).hash.hex()}+{data}\n".encode()


def test_the_command_line_writes_one_statement_by_index_and_by_id(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COUNTERSIGN_HOME", str(world.folder))
    monkeypatch.setenv("COUNTERSIGN_STORE", world.store.address)
    entry = world.store.index.entry(0)
    assert entry is not None
    written = []
    for name in ("0", entry.judgement.statement_id[:12]):
        out = tmp_path / f"out-{name}"
        assert main(["export", "statement", name, "--out", str(out)]) == 0
        written.append({path.name: path.read_bytes() for path in out.iterdir()})
        assert main(["export", "statement", name, "--out", str(out)]) == 2
    assert written[0] == written[1]
    assert set(written[0]) == {
        "000000-endorsement.json",
        "000000-endorsement.pae",
        "000000-endorsement.sig",
        "000000-endorsement.sigstore.json",
        "000000-endorsement.entry",
        "000000-endorsement.tlog-proof",
        "checkpoint",
        "log.vkey",
        "key.pem",
        "README.txt",
    }
    assert main(["export", "statement", "ffff", "--out", str(tmp_path / "no")]) == 1
    assert not (tmp_path / "no").exists()


def test_a_void_entry_is_not_exported_as_a_statement(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from store.backend import entry_path

    size = world.store.index.size
    assert world.store.backend.put_if_absent(entry_path(size), b"{}")
    world.store.catch_up()
    monkeypatch.setenv("COUNTERSIGN_HOME", str(world.folder))
    monkeypatch.setenv("COUNTERSIGN_STORE", world.store.address)
    out = tmp_path / "out"
    assert main(["export", "statement", str(size), "--out", str(out)]) == 2
    assert not out.exists()
