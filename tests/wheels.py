"""Small wheels, and projects with an environment that is built of them."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path


def make_wheel(folder: Path, name: str, version: str, code: str = "") -> str:
    """A wheel of one module; the SHA-256 of it."""
    folder.mkdir(parents=True, exist_ok=True)
    about = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n{code}",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\n"
        f"Version: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{path},{_digest(text)},{len(text)}" for path, text in files.items()]
    files[f"{about}/RECORD"] = "\n".join([*record, f"{about}/RECORD,,"]) + "\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in files.items():
            archive.writestr(zipfile.ZipInfo(inner), text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(text: str) -> str:
    raw = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
    return f"sha256={raw.decode().rstrip('=')}"


def make_built_project(
    folder: Path,
    requirements: str = "apple==1.0\n",
    command: str = 'python -c "import apple; print(apple.VERSION)"',
) -> Path:
    """A project whose environment holds `apple`, taken from its own folder."""
    project = folder / "built"
    make_wheel(project / "wheels", "apple", "1.0")
    (project / "MLproject").write_text(
        "name: built\npython_env: python_env.yaml\n"
        f"entry_points:\n  main:\n    command: '{command}'\n"
    )
    (project / "python_env.yaml").write_text("dependencies: [-r requirements.txt]\n")
    (project / "requirements.txt").write_text(
        f"--no-index\n--find-links wheels\n{requirements}"
    )
    return project
