"""Custom resource definitions: what is checked of them, and what they get."""

from __future__ import annotations

from collections.abc import Iterator

from tests.contract.kubernetes_server.objects import Object, dig, timestamp
from tests.contract.kubernetes_server.problems import cause


def fill_in_definition(found: Object) -> None:
    """Write the defaults of a definition."""
    spec = found["spec"]
    names = spec["names"]
    names.setdefault("singular", names["kind"].lower())
    names.setdefault("listKind", f"{names['kind']}List")
    spec.setdefault("conversion", {"strategy": "None"})


def establish(found: Object) -> None:
    """Say that the resource is served now."""
    spec = found["spec"]
    now = timestamp()
    found["status"] = {
        "conditions": [
            {
                "type": "NamesAccepted",
                "status": "True",
                "lastTransitionTime": now,
                "reason": "NoConflicts",
                "message": "no conflicts found",
            },
            {
                "type": "Established",
                "status": "True",
                "lastTransitionTime": now,
                "reason": "InitialNamesAccepted",
                "message": "the initial names have been accepted",
            },
        ],
        "acceptedNames": spec["names"],
        "storedVersions": [one["name"] for one in spec["versions"] if one["storage"]],
    }


def problems_of_definition(found: Object) -> Iterator[Object]:
    """What keeps a definition from being one."""
    spec = found["spec"]
    expected = f"{spec['names']['plural']}.{spec['group']}"
    name = found["metadata"]["name"]
    if name != expected:
        message = f'Invalid value: "{name}": must be spec.names.plural+"."+spec.group'
        yield cause("FieldValueInvalid", "metadata.name", message)
    stored = [one for one in spec["versions"] if one.get("storage")]
    if len(stored) != 1:
        message = "Invalid value: must have exactly one version marked as storage"
        yield cause("FieldValueInvalid", "spec.versions", message)
    for position, version in enumerate(spec["versions"]):
        path = f"spec.versions[{position}].schema.openAPIV3Schema"
        schema = dig(version, "schema", "openAPIV3Schema")
        if not schema:
            yield cause("FieldValueRequired", path, "Required value: schemas required")
        else:
            yield from _unstructured(schema, path)


def _unstructured(schema: Object, path: str) -> Iterator[Object]:
    """Where a schema does not say the type of everything, as a structural one must."""
    is_open = schema.get("x-kubernetes-preserve-unknown-fields")
    if not (schema.get("type") or schema.get("x-kubernetes-int-or-string") or is_open):
        message = "Required value: must not be empty for specified object fields"
        yield cause("FieldValueRequired", f"{path}.type", message)
    for key, part in (schema.get("properties") or {}).items():
        yield from _unstructured(part, f"{path}.properties[{key}]")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _unstructured(schema[key], f"{path}.{key}")
