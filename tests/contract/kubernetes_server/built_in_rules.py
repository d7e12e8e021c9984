"""What the API fills in and refuses for its own kinds, beyond their schemas."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.contract.kubernetes_server.objects import Object, dig
from tests.contract.kubernetes_server.problems import cause

_POD_DEFAULTS: Object = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
}
_CONTAINER_DEFAULTS: Object = {
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_JOB_DEFAULTS: Object = {
    "parallelism": 1,
    "completions": 1,
    "backoffLimit": 6,
    "completionMode": "NonIndexed",
    "suspend": False,
    "podReplacementPolicy": "TerminatingOrFailed",
}
_CRON_DEFAULTS: Object = {
    "concurrencyPolicy": "Allow",
    "suspend": False,
    "successfulJobsHistoryLimit": 3,
    "failedJobsHistoryLimit": 1,
}
CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
JOB_NAME = "batch.kubernetes.io/job-name"


def _fill(value: Object, defaults: Object) -> None:
    for key, default in defaults.items():
        value.setdefault(key, dict(default) if isinstance(default, dict) else default)


def _fill_pod(spec: Object, *, is_of_job: bool = False) -> None:
    defaults = dict(_POD_DEFAULTS)
    if is_of_job:
        del defaults["restartPolicy"]
    _fill(spec, defaults)
    for container in (spec.get("containers") or []) + (
        spec.get("initContainers") or []
    ):
        _fill(container, _CONTAINER_DEFAULTS)
        image = str(container.get("image", "")).rpartition("/")[2]
        is_moving = ":" not in image or image.endswith(":latest")
        container.setdefault(
            "imagePullPolicy", "Always" if is_moving else "IfNotPresent"
        )
        for port in container.get("ports") or []:
            port.setdefault("protocol", "TCP")


def _fill_job(job: Object) -> None:
    spec = job.setdefault("spec", {})
    _fill(spec, _JOB_DEFAULTS)
    _fill_pod(dig(spec, "template", "spec", default={}), is_of_job=True)


def _label_job(job: Object) -> None:
    uid, name = job["metadata"]["uid"], job["metadata"]["name"]
    spec = job["spec"]
    template = spec.setdefault("template", {})
    labels = template.setdefault("metadata", {}).setdefault("labels", {})
    if spec.get("manualSelector"):
        return
    labels |= {
        CONTROLLER_UID: uid,
        JOB_NAME: name,
        "controller-uid": uid,
        "job-name": name,
    }
    spec["selector"] = {"matchLabels": {CONTROLLER_UID: uid}}
    job["metadata"].setdefault("labels", dict(labels))


def _fill_cron(found: Object) -> None:
    spec = found.setdefault("spec", {})
    _fill(spec, _CRON_DEFAULTS)
    inner = dig(spec, "jobTemplate", "spec", "template", "spec")
    if isinstance(inner, dict):
        _fill_pod(inner, is_of_job=True)


def _fill_secret(found: Object) -> None:
    found.setdefault("type", "Opaque")
    plain = found.pop("stringData", None) or {}
    if plain:
        import base64

        data = found.setdefault("data", {})
        for key, value in plain.items():
            data[key] = base64.b64encode(str(value).encode()).decode()


def _fill_namespace(found: Object) -> None:
    found.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    found.setdefault("status", {})["phase"] = "Active"
    labels = found["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = found["metadata"]["name"]


_FILLING: dict[str, Callable[[Object], None]] = {
    "Job": _fill_job,
    "CronJob": _fill_cron,
    "Pod": lambda found: _fill_pod(found.setdefault("spec", {})),
    "Secret": _fill_secret,
    "Namespace": _fill_namespace,
}


def fill_in_built_in(found: Object) -> None:
    """Write what the API writes where a built-in object says nothing."""
    filling = _FILLING.get(found["kind"])
    if filling:
        filling(found)


def settle_new(found: Object) -> None:
    """Write what a new object gets once it has its name and uid."""
    if found["kind"] == "Job":
        _label_job(found)
        found["status"] = {}
    if found["kind"] == "Pod":
        found["status"] = {"phase": "Pending", "qosClass": "BestEffort"}


def problems_of_built_in(found: Object, old: Object | None) -> Iterator[Object]:
    """What the API's own rules refuse."""
    if found["kind"] == "Job":
        yield from _problems_of_job(found, old)
    if found["kind"] == "CronJob":
        from tests.contract.kubernetes_server.cron import problems_of_cron

        yield from problems_of_cron(found)
    if found["kind"] == "Pod":
        yield from problems_of_pod(dig(found, "spec", default={}), "spec")
        if old is not None and _fixed(found) != _fixed(old):
            message = "Forbidden: pod updates may not change fields other than "
            message += "`spec.containers[*].image`"
            yield cause("FieldValueForbidden", "spec", message)
    if found["kind"] == "Event":
        namespace = dig(found, "involvedObject", "namespace", default="")
        if namespace and namespace != found["metadata"].get("namespace"):
            yield cause(
                "FieldValueInvalid",
                "involvedObject.namespace",
                f'Invalid value: "{namespace}": does not match event.namespace',
            )


def _fixed(pod: Object) -> Object:
    """What may not change of a pod once it is there."""
    free = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")
    spec = {key: part for key, part in pod["spec"].items() if key not in free}
    for key in ("containers", "initContainers"):
        spec[key] = [{**one, "image": ""} for one in spec.get(key) or []]
    return spec


def problems_of_pod(spec: Object, path: str) -> Iterator[Object]:
    """What the API refuses of a pod, wherever one is described."""
    if not spec.get("containers"):
        yield cause("FieldValueRequired", f"{path}.containers", "Required value")
    for position, container in enumerate(spec.get("containers") or []):
        if not container.get("image"):
            where = f"{path}.containers[{position}].image"
            yield cause("FieldValueRequired", where, "Required value")


def _unscheduled(template: Object) -> Object:
    """What may not change of the template of a job that is held."""
    free = ("nodeSelector", "tolerations", "affinity", "schedulingGates")
    spec = {key: part for key, part in template["spec"].items() if key not in free}
    containers = [{**one, "resources": {}} for one in spec.get("containers") or []]
    return {"spec": {**spec, "containers": containers}}


def _problems_of_job(job: Object, old: Object | None) -> Iterator[Object]:
    pod = dig(job, "spec", "template", "spec", default={})
    yield from problems_of_pod(pod, "spec.template.spec")
    allowed = 'valid values: "OnFailure", "Never"'
    where = "spec.template.spec.restartPolicy"
    said = pod.get("restartPolicy")
    if not said:
        yield cause("FieldValueRequired", where, f"Required value: {allowed}")
    elif said not in ("OnFailure", "Never"):
        message = f'Unsupported value: "{said}": supported values: "OnFailure", "Never"'
        yield cause("FieldValueNotSupported", where, message)
    if old is None:
        return
    is_held = bool(dig(old, "spec", "suspend")) and not dig(old, "status", "startTime")
    for field in ("selector", "completionMode", "completions", "template"):
        new, had = dig(job, "spec", field), dig(old, "spec", field)
        if field == "template" and is_held:
            new, had = _unscheduled(new), _unscheduled(had)
        if new != had:
            message = "Invalid value: field is immutable"
            yield cause("FieldValueInvalid", f"spec.{field}", message)
