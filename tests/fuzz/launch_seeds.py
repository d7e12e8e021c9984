"""Seeds of what stands in a log about launches, by the verdict that each must get."""

from __future__ import annotations

import json

from console.services.pipelines.launch_evidence import CommitTold
from policies.verdict import Node, Verdict, all_of


def launch_seeds() -> dict[str, bytes]:
    """Path below the corpus -> bytes."""
    return _verdicts() | _evidence() | _schedules() | _environments()


def _verdicts() -> dict[str, bytes]:
    leaf = Node("clean", Verdict.YES, "it is", "a clean tree", "why", True)
    good = all_of("pipeline/train: launch in dev", [leaf, leaf]).to_bytes()
    files = {
        "accepted-two-rules": good,
        "accepted-one": leaf.to_bytes(),
        "refused-another-verdict": good.replace(b'"yes"', b'"aye"'),
        "refused-another-schema": good.replace(b"verdict/v1", b"verdict/v2"),
        "refused-a-field-too-many": good.replace(b"{", b'{"x": 1,', 1),
        "refused-children-that-are-none": good.replace(b"[]", b"7"),
        "refused-too-deep": _nested(40),
        "refused-nothing": b"",
    }
    return {f"verdict/{name}": data for name, data in files.items()}


def _nested(depth: int) -> bytes:
    node = Node("deep", Verdict.NO)
    for _ in range(depth):
        node = all_of("deep", [node])
    return node.to_bytes()


def _evidence() -> dict[str, bytes]:
    good = CommitTold(True, ("main",), ("main", "try")).to_bytes()
    files = {
        "accepted-known": good,
        "accepted-unknown": CommitTold().to_bytes(),
        "refused-another-schema": good.replace(b"evidence/v1", b"evidence/v2"),
        "refused-a-word-for-a-flag": good.replace(b"true", b'"true"'),
        "refused-a-branch-that-is-none": good.replace(b'"try"', b"null"),
        "refused-cut-short": good[:-3],
    }
    return {f"launch-evidence/{name}": data for name, data in files.items()}


def _schedules() -> dict[str, bytes]:
    spec = {
        "schedule": "0 3 * * 1-5",
        "timeZone": "Europe/Berlin",
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 600,
        "jobTemplate": {"spec": {"template": {"spec": {}}}},
    }
    good = json.dumps({"apiVersion": "batch/v1", "kind": "CronJob", "spec": spec})
    argo = {
        "schedule": "0 3 * * 1-5",
        "timezone": "Europe/Berlin",
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": 31622400,
        "workflowSpec": {"entrypoint": "whole", "templates": []},
    }
    of_argo = json.dumps(
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow", "spec": argo}
    )
    begun = '"spec": {'
    condition, second = f'{begun}"when": "", ', f'{begun}"schedules": ["x"], '
    files = {
        "accepted-of-argo": of_argo,
        "refused-of-argo-with-a-condition": of_argo.replace(begun, condition),
        "refused-of-argo-with-two": of_argo.replace(begun, second),
        "refused-of-argo-without-a-zone": of_argo.replace("timezone", "timeZone"),
        "refused-of-argo-that-starts-nothing": of_argo.replace("workflow", "job"),
        "accepted-nights": good,
        "accepted-a-short-name": good.replace("0 3 * * 1-5", "@daily"),
        "refused-no-times": good.replace("0 3 * * 1-5", "never"),
        "refused-every": good.replace("0 3 * * 1-5", "@every 1h"),
        "refused-a-zone-that-leads-out": good.replace("Europe/Berlin", "../../x"),
        "refused-another-overlap": good.replace("Forbid", "forbid"),
        "refused-a-deadline-too-short": good.replace("600", "1"),
        "refused-a-deadline-that-is-none": good.replace("600", "true"),
        "refused-no-job": good.replace("jobTemplate", "podTemplate"),
        "refused-a-job-that-is-none": good.replace('{"template"', '7, "x": {"y"'),
        "refused-a-job": good.replace("CronJob", "Job"),
        "refused-a-list": f"[{good}]",
        "refused-cut-short": good[:-3],
    }
    return {f"schedule/{name}": data.encode() for name, data in files.items()}


def _environments() -> dict[str, bytes]:
    good = (
        'python: "3.11"\nbuild_dependencies: [pip]\ndependencies:\n- a.b[c]>=1,<2\n'
        f"- d==1 ; python_version < '3' --hash=sha256:{'0a' * 32}\n- --no-index\n"
    )
    files = {
        "accepted-both-lists": good,
        "accepted-nothing": "{}",
        "refused-a-number": good.replace('"3.11"', "3.10"),
        "refused-an-index": f"{good}- --index-url https://evil\n",
        "refused-an-index-behind-a-marker": good.replace("--hash=", "-i=https://x "),
        "refused-an-address": f"{good}- a @ https://evil/a.whl\n",
        "refused-a-repository": f"{good}- git+https://evil/a\n",
        "refused-a-folder": f"{good}- -e .\n",
        "refused-a-file-outside": f"{good}- -r ../x\n",
        "refused-a-variable": f"{good}- a==${{HOME}}\n",
        "refused-two-lines-in-one": f'{good}- "a\\n-e ."\n',
        "refused-an-alias": f"x: &x [a]\n{good.replace('[pip]', '*x')}",
        "refused-a-field-too-many": f"{good}channels: [conda-forge]\n",
        "refused-cut-short": good[:20],
    }
    return {f"python-env/{name}": data.encode() for name, data in files.items()}
