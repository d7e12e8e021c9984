"""Commands of witnesses: their keys, and cosigning the heads of a log."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from console.cli.context import Context, progress
from console.cli.output import say, show
from console.services.named_files import read_file, write_whole
from console.services.problems import Misuse

if TYPE_CHECKING:
    from console.services.opened import OpenStore
    from console.services.witnessing import Cosigned, Witness


def add_witness_commands(
    logs: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    """Declare `log witness` and `log keys`."""
    parser = logs.add_parser(
        "keys", help="verifier keys: the log's and your witnesses'"
    )
    parser.set_defaults(handler=log_keys)
    parser = logs.add_parser(
        "witness", help="cosign the log's head if it extends every head seen before"
    )
    parser.add_argument("--name", required=True, help="the witness's name in notes")
    parser.add_argument("--key", required=True, metavar="FILE", help="its private key")
    parser.add_argument("--state", metavar="DIR", help="where it remembers heads")
    parser.add_argument(
        "--out", metavar="FILE", help="write the cosigned head here too"
    )
    parser.add_argument(
        "--new-key", action="store_true", help="make the key, print its verifier key"
    )
    parser.add_argument(
        "--checkpoint", metavar="FILE", help="this head instead of the store's newest"
    )
    parser.add_argument(
        "--proof", metavar="FILE", help="no store: a proof of consistency with its head"
    )
    parser.add_argument(
        "--log-key", metavar="VKEY", help="with --proof: the log's verifier key"
    )
    parser.set_defaults(handler=log_witness)


def log_keys(context: Context) -> int:
    """`log keys`"""
    from console.services.checkpoints import log_keys as keys_of

    for key in keys_of(context.store):
        show(f"log {key}")
    for name, pinned in context.configuration.witnesses.items():
        show(f"witness {name} {pinned}")
    return 0


def log_witness(context: Context) -> int:
    """`log witness`: 0 cosigned, 1 refused, 3 nothing to cosign yet."""
    arguments = context.arguments
    if arguments.new_key:
        return _new_key(context)
    if not arguments.state:
        raise Misuse(
            "a witness remembers: name the folder",
            hint="--state DIR; keep it as safe as the key",
        )
    witness = _opened(context)
    if arguments.proof:
        done = _by_proof(context, witness)
    else:
        done = _by_reading(context, witness)
    if arguments.out:
        write_whole(Path(arguments.out), done.checkpoint.to_bytes())
        say(f"Wrote {arguments.out}.")
    _tell(done, witness)
    return 0


def _new_key(context: Context) -> int:
    from connectors.signers.files import create_key_file
    from console.services.witnessing import verifier_key_of

    path = Path(context.arguments.key)
    key = verifier_key_of(context.arguments.name, create_key_file(path, None))
    say(f"Wrote {path}. Give this verifier key to those who rely on the witness:")
    show(str(key))
    return 0


def _opened(context: Context) -> Witness:
    from connectors.signers.files import open_key_file
    from console.services.signing import passphrase_source
    from console.services.witness_memory import WitnessMemory
    from console.services.witnessing import Witness, verifier_key_of

    arguments = context.arguments
    signer = open_key_file(Path(arguments.key), passphrase_source(context.ask_secret()))
    key = verifier_key_of(arguments.name, signer)
    return Witness(key, signer, WitnessMemory(Path(arguments.state), key))


def _by_proof(context: Context, witness: Witness) -> Cosigned:
    from console.services.witnessing import witness_proof
    from policies.checkpoint import read_checkpoint
    from policies.log_proofs import read_consistency_proof
    from policies.notes import read_verifier_key

    arguments = context.arguments
    if not arguments.log_key:
        raise Misuse(
            "a proof says nothing without the log's key",
            hint="--log-key VKEY, which the log's owner prints with: log keys",
        )
    proof = read_consistency_proof(read_file(Path(arguments.proof)))
    if arguments.checkpoint:
        given = read_checkpoint(read_file(Path(arguments.checkpoint)))
        if given.body != proof.checkpoint.body:
            raise Misuse("the proof leads to another head than --checkpoint")
    return witness_proof(proof, read_verifier_key(arguments.log_key), witness, _now())


def _by_reading(context: Context, witness: Witness) -> Cosigned:
    from console.services.witness_reading import read_as_witness
    from console.services.witnessing import publish, witness_head, witness_store
    from store.errors import StoreUnavailable

    checkpoint = context.arguments.checkpoint
    data = read_file(Path(checkpoint)) if checkpoint else None

    def cosign(store: OpenStore) -> Cosigned:
        if data is not None:
            return witness_head(store, data, witness, _now())
        return witness_store(store, witness, _now())

    done, backend = read_as_witness(
        context.store_address,
        Path(context.arguments.state),
        context.configuration,
        context.anchor,
        cosign,
        progress("reading the log", "entries"),
    )
    try:
        say(f"Published {publish(backend, witness.key, done.checkpoint)}.")
    except StoreUnavailable as problem:
        if not context.arguments.out:
            raise
        say(f"Not published in the store: {problem}")
    return done


def _tell(done: Cosigned, witness: Witness) -> None:
    head = done.checkpoint
    before = (
        "the first head this witness has seen of it"
        if done.extends is None
        else f"extends the {done.extends} entries cosigned before"
    )
    moment = datetime.fromtimestamp(done.at, UTC)
    show(f"log {head.origin}: {head.size} entries, root {head.root.hex()}")
    show(f"{before}; cosigned {moment:%Y-%m-%dT%H:%M:%SZ} as {witness.key}")


def _now() -> int:
    from console.services.opened import wall_clock

    return int(wall_clock().timestamp())
