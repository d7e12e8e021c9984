"""Requirement files: what pip is given of them, and what no project may ask for."""

from __future__ import annotations

import pytest

from connectors.errors import MalformedInput
from connectors.pipelines.python_env import LARGEST_BYTES, read_python_env
from connectors.pipelines.requirements import Requirements, read_requirements

SHA = f"--hash=sha256:{'0a' * 32}"


def read(*lines: str, **files: str) -> Requirements:
    """What lines come to; other files are named by what stands before their `.txt`."""

    def read_file(path: str) -> bytes:
        if path.removesuffix(".txt") not in files:
            raise MalformedInput(f"there is no {path}")
        return files[path.removesuffix(".txt")].encode()

    return read_requirements(lines, "python_env.yaml", read_file)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("numpy", "numpy"),
        ("numpy == 1.26.4  # why", "numpy==1.26.4"),
        ("a.b_c-d [x, y] >= 1.0 , < 2", "a.b_c-d[x,y]>=1.0,<2"),
        (
            'torch==2.1+cpu; python_version < "3.12"',
            'torch==2.1+cpu ; python_version < "3.12"',
        ),
        (f"apple==1.0 {SHA} {SHA}", f"apple==1.0 {SHA} {SHA}"),
        ("--only-binary=:all:", "--only-binary :all:"),
        ("--no-index", "--no-index"),
    ],
)
def test_a_line_is_given_to_pip_in_one_form(line: str, wanted: str) -> None:
    found = read(line)
    assert [part.replace(" ;", ";") for part in found.lines] == [
        wanted.replace(" ;", ";")
    ]


def test_files_lead_to_files_and_a_circle_ends() -> None:
    found = read(
        "-r a.txt",
        a="one==1\n# -e evil\n--requirement b.txt\n-c limits.txt\n",
        b=f"\ufefftwo==2 \\\n  {SHA} \\\n  {SHA}\n-r a.txt\n",
        limits="three<4\n",
    )
    assert found.lines == ["one==1", f"two==2 {SHA} {SHA}"]
    assert found.constraints == ["three<4"]
    assert found.files == ["a.txt", "b.txt", "limits.txt"]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ((f"a==1 {SHA}",), ""),
        ((), ""),
        ((f"a==1 {SHA}", "b==2"), "b has no hash"),
        ((f"a>=1 {SHA}",), "a is not pinned to one version"),
        ((f"a==1.* {SHA}",), "a is not pinned to one version"),
        ((f"a==1,<2 {SHA}",), "a is not pinned to one version"),
        ((f"a {SHA}",), "a is not pinned to one version"),
    ],
)
def test_only_versions_with_hashes_for_all_lock_an_environment(
    lines: tuple[str, ...], why: str
) -> None:
    assert read(*lines).unlocked == why


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--index-url http://evil", "for whoever launches"),
        ("--index-url=https://evil", "for whoever launches"),
        ("--extra-index-url https://evil", "for whoever launches"),
        ("-i https://evil", "for whoever launches"),
        ("--trusted-host evil", "for whoever launches"),
        ("-e .", "names no package"),
        ("--editable=git+https://evil/x", "not passed on|names no package"),
        (".", "names no package"),
        ("./wheels/a.whl", "names no package"),
        ("git+https://evil/x.git", "names no package"),
        ("a @ https://evil/a.whl", "names no package"),
        ("a.whl", "names no package"),
        ("a==1.tar.gz", "names no package"),
        ("a.zip[x]", "names no package"),
        ("a==1 ; python_version < '3' @ https://evil", "names no package"),
        ("https://evil/a.whl", "names no package"),
        ("a==1 --index-url http://evil", "for whoever launches"),
        ("a==1 --global-option=--evil", "not passed on"),
        ("a==1 --hash=md5:00", "not passed on"),
        ("a==1 ; python_version < '3' --index-url=http://evil", "for whoever"),
        ("--target=/", "not passed on"),
        ("--config-settings=x=y", "not passed on"),
        ("-rother.txt", "not passed on"),
        ("-r", "not passed on"),
        ("-r ../../etc/passwd", "leads out"),
        ("-r /etc/passwd", "leads out"),
        ("-r ~/x.txt", "leads out"),
        ("-r https://evil/r.txt", "leads out"),
        ("-r file:///etc/passwd", "leads out"),
        ("-c ../x.txt", "leads out"),
        ("--find-links https://evil", "leads out"),
        ("--find-links ..", "leads out"),
        ("-r gone.txt", "there is no"),
        ("a==${SECRET}", "without variables"),
        ("a\x00b", "printable"),
        ("a\x1b]52;c;aGk=\x07", "printable"),
        ("\uff41pple==1", "printable"),
        ("a" * 70_000, "more is required"),
    ],
)
def test_what_no_project_may_ask_for_is_refused(line: str, said: str) -> None:
    with pytest.raises(MalformedInput, match=said):
        read(line)
    with pytest.raises(MalformedInput, match=said):
        read("-r r.txt", r=f"ok==1\n{line}\n")


def test_a_file_that_is_no_text_or_endless_is_refused() -> None:
    with pytest.raises(MalformedInput, match="UTF-8"):
        read_requirements(["-r r.txt"], "p", lambda _: b"\xff\xfe")
    with pytest.raises(MalformedInput, match="larger"):
        read_requirements(["-r r.txt"], "p", lambda _: b"#" * (5 * 1024**2))
    with pytest.raises(MalformedInput, match="more than 50"):
        read_requirements(
            ["-r 0.txt"], "p", lambda path: f"-r {int(path[:-4]) + 1}.txt".encode()
        )
    for line in ("aa\\\n", " \\\n"):
        with pytest.raises(MalformedInput, match="more is required"):
            read("-r r.txt", r=line * 1_000_000 + "a")


def test_python_and_both_lists_are_read_as_mlflow_writes_them() -> None:
    found = read_python_env(
        b'python: "3.11.7"\nbuild_dependencies:\n- pip==23.2\n- wheel\n'
        b"dependencies:\n- -r requirements.txt\n- numpy==1.26.4\n",
        "python_env.yaml",
    )
    assert found.python == "3.11.7"
    assert found.build_dependencies == ("pip==23.2", "wheel")
    assert found.dependencies == ("-r requirements.txt", "numpy==1.26.4")


@pytest.mark.parametrize(
    "data",
    [
        b"python: 3.10\n",
        b'python: "3"\n',
        b'python: ">=3.9"\n',
        b'python: "3.11; touch pwned"\n',
        b"python: [3]\n",
        b"pythn: '3.11'\n",
        b"dependencies: numpy\n",
        b"dependencies: [{pip: [numpy]}]\n",
        b'dependencies: ["a\\n--index-url http://evil"]\n',
        b"a: &a [x]\ndependencies: *a\n",
        b"[1]",
        b"\xff",
        b"dependencies: " + b"[" * 5000,
        b"#" * (LARGEST_BYTES + 1),
        b"!!python/object/apply:os.system ['touch pwned']",
    ],
)
def test_a_python_env_that_says_otherwise_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedInput):
        read_python_env(data, "python_env.yaml")
