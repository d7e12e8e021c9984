"""What the types of Argo's controller make of a Workflow when it writes it back whole.

Only of what the tests send; what a real one makes of the rest is in
tests/unit/connectors/kubernetes/test_written_workflows.py.
"""

from __future__ import annotations

from tests.contract.kubernetes_server.objects import Object, dig

_QUANTITIES = {"1000m": "1", "0.5Gi": "512Mi", "1024Mi": "1Gi", "100m": "100m"}


def write_back(found: Object) -> None:
    """Bring a Workflow to the form in which its controller leaves it."""
    spec = found["spec"]
    spec.setdefault("arguments", {})
    _write_parameters(spec["arguments"])
    for template in spec["templates"]:
        for part in ("inputs", "outputs", "metadata"):
            template.setdefault(part, {})
        _write_parameters(template["inputs"])
        steps = [one for group in template.get("steps") or [] for one in group]
        for one in [*steps, *dig(template, "dag", "tasks", default=[])]:
            one.setdefault("arguments", {})
            _write_parameters(one["arguments"])
        for kind in ("container", "script"):
            if kind in template:
                template[kind].setdefault("name", "")
                _write_container(template[kind])
        for group in ("initContainers", "sidecars"):
            for one in template.get(group) or []:
                _write_container(one)


def _write_container(container: Object) -> None:
    resources = container.setdefault("resources", {})
    for amounts in resources.values():
        for name, amount in amounts.items():
            amounts[name] = _QUANTITIES.get(str(amount), str(amount))
    for one in container.get("env") or []:
        if one.get("value") == "":
            del one["value"]


def _write_parameters(arguments: Object) -> None:
    for one in arguments.get("parameters") or []:
        if isinstance(one.get("value"), bool):
            one["value"] = str(one["value"]).lower()
        elif "value" in one:
            one["value"] = str(one["value"])
