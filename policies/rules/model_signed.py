"""The rule that a model carries a signature by a named key over all of its files.

The signature is verified here, over what the evidence says was signed, so a policy can
name a key that nobody enrolled by giving the key itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from policies.document import FieldValue, Rule
from policies.dsse import canonical_base64
from policies.errors import MalformedStatement
from policies.evidence import Evidence
from policies.evidence_signature import ModelSignatureItem
from policies.model_signature import (
    MODEL_SIGNATURE_FILE,
    is_signed_by,
    read_public_key,
)
from policies.rules.forms import RuleKind, words
from policies.verdict import Node, Verdict

_FOUND = tuple[Verdict, str]
_MOST_NAMED = 5


def judge_model_signed(rule: Rule, evidence: Evidence) -> Node:
    """Every file is signed, no other is, and a key that the rule names signed."""
    verdict, observed = _judged(rule, evidence)
    return Node(rule.id, verdict, observed, _asks(rule), rule.why)


def _judged(rule: Rule, evidence: Evidence) -> _FOUND:
    item = evidence.model_signature
    if not evidence.model.files:
        return Verdict.UNKNOWN, "no file of the model was read"
    if not item.is_there:
        return Verdict.NO, f"the model has no {MODEL_SIGNATURE_FILE}"
    if item.problem or not item.signed_sha256:
        return Verdict.UNKNOWN, item.problem or "the signature could not be read"
    if item.differing:
        return Verdict.NO, f"not signed as it is: {_named(item.differing)}"
    if item.absent:
        return Verdict.NO, f"signed, and not in the model: {_named(item.absent)}"
    signer = _signer(rule, item)
    if not signer:
        known = ", ".join(f"{s.owner} {s.key[:16]}" for s in item.enrolled)
        return Verdict.NO, f"signed by {known or 'a key that is not named'}"
    return Verdict.YES, f"all files, by {signer}"


def _signer(rule: Rule, item: ModelSignatureItem) -> str:
    """Who of those that the rule names made the signature, or empty."""
    for enrolled in sorted(item.enrolled, key=lambda signer: signer.key):
        if enrolled.key in rule.names("keys") or enrolled.owner in rule.names("people"):
            return f"{enrolled.owner} with the key {enrolled.key[:16]}"
    for text in sorted(rule.names("public_keys")):
        try:
            key, signature = read_public_key(text), canonical_base64(item.signature)
        except MalformedStatement:
            continue
        if is_signed_by(key, item.signed_sha256, signature):
            return f"the key {key.id[:16]}"
    return ""


def _named(paths: tuple[str, ...]) -> str:
    listed, more = sorted(paths)[:_MOST_NAMED], len(paths) - _MOST_NAMED
    return ", ".join(listed) + (f" and {more} more" if more > 0 else "")


def _asks(rule: Rule) -> str:
    signers = [f"the enrolled key {key[:16]}" for key in rule.names("keys")]
    signers += [f"a key of {person}" for person in rule.names("people")]
    signers += [f"the key {_key_id(text)[:16]}" for text in rule.names("public_keys")]
    return f"a signature over every file of the model by {' or '.join(signers)}"


def _key_id(text: str) -> str:
    try:
        return read_public_key(text).id
    except MalformedStatement:
        return text


def _complaint(fields: Mapping[str, FieldValue]) -> str:
    if not fields:
        return "a rule of kind 'model_signed' says keys, people or public_keys"
    for key in _texts(fields, "keys"):
        if len(key) != 64 or set(key) - set("0123456789abcdef"):
            return f"keys: {key[:20]!r} is no SHA-256 of a SubjectPublicKeyInfo in hex"
    for text in _texts(fields, "public_keys"):
        try:
            read_public_key(text)
        except MalformedStatement as problem:
            return f"public_keys: {problem}"
    return ""


def _texts(fields: Mapping[str, FieldValue], name: str) -> tuple[str, ...]:
    value = fields.get(name, ())
    return value if isinstance(value, tuple) else ()


KINDS = (
    RuleKind(
        "model_signed",
        {"keys": words(), "people": words(), "public_keys": words()},
        _asks,
        on_evidence=judge_model_signed,
        complaint=_complaint,
    ),
)
"""The kind of rule that this module judges."""
