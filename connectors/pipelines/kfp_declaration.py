"""What a compiled pipeline declares: its parameters, by their types."""

from __future__ import annotations

from connectors.kubeflow.client import Json
from connectors.kubeflow.packages import read_package, said, value_of
from connectors.parsing import text_of, well_formed
from connectors.pipelines.declarations import Declaration, DeclaredParameter
from connectors.pipelines.kfp_planning import read_file
from connectors.pipelines.project_path import project_path


def declared_package(project: str, ref: str) -> Declaration:
    """The parameters of a package.

    Raises:
        ConnectorError: it is none, or does not say what it runs.
    """
    path = project_path(project)
    data, _ = read_file(path, ref)
    package = read_package(data, path.name)
    parameters = [_parameter(name, one) for name, one in package.declared.items()]
    return Declaration(package.name, (), tuple(parameters))


def _parameter(name: str, declared: Json) -> DeclaredParameter:
    with well_formed(f"the parameter {name[:80]!r}"):
        kind = text_of(declared["parameterType"])
        has_default = "defaultValue" in declared
        is_optional = bool(declared.get("isOptional"))

    def check(text: str) -> None:
        with well_formed(f"a {kind.lower()}"):
            value_of(declared, text)

    return DeclaredParameter(
        name=name,
        type=kind.lower(),
        default=said(declared["defaultValue"]) if has_default else None,
        is_needed=not (has_default or is_optional),
        check=check,
    )
