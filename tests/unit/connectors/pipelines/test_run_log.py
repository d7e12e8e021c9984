"""What a run prints: kept in order, bounded, and without the secrets it was given."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.pipelines.protocols import LogLine
from connectors.pipelines.run_log import LONGEST_LINE_BYTES, LogWriter, read_log

SECRET = "s3cr3t-t0ken"


def lines_of(path: Path) -> list[LogLine]:
    return list(read_log(path, follow=False, is_over=lambda: True, stop=lambda: False))


def written(path: Path, *pieces: bytes, at_most: int = 10**6) -> list[str]:
    log = LogWriter(path, at_most=at_most, secrets=(SECRET, "", "ab"))
    for piece in pieces:
        log.feed("main", "out", piece)
    log.end("main")
    log.close()
    return [line.text for line in lines_of(path)]


def test_lines_come_back_as_they_were_printed(tmp_path: Path) -> None:
    texts = written(tmp_path / "log", b"one\ntw", b"o\r\n\nthree")
    assert texts == ["one", "two", "", "three"]


def test_a_progress_bar_is_many_lines(tmp_path: Path) -> None:
    assert written(tmp_path / "log", b"10%\r50%\r100%\n") == ["10%", "50%", "100%"]


@pytest.mark.parametrize("size", range(1, 15))
def test_a_secret_is_blotted_out_however_it_arrives(tmp_path: Path, size: int) -> None:
    data = f"token={SECRET}; again {SECRET}{SECRET}\nno newline {SECRET}".encode()
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    assert written(tmp_path / "log", *pieces) == [
        "token=***; again ******",
        "no newline ***",
    ]
    assert SECRET.encode() not in (tmp_path / "log").read_bytes()


@pytest.mark.parametrize(
    "before", range(LONGEST_LINE_BYTES - 14, LONGEST_LINE_BYTES + 3)
)
def test_a_secret_is_blotted_out_where_a_long_line_is_cut(
    tmp_path: Path, before: int
) -> None:
    data = b"x" * before + SECRET.encode() + b"y" * 2 * LONGEST_LINE_BYTES
    texts = written(tmp_path / "log", data[:before], data[before:])
    assert SECRET not in "".join(texts)
    assert "".join(texts) == "x" * before + "***" + "y" * 2 * LONGEST_LINE_BYTES


def test_a_secret_of_several_lines_is_blotted_out_line_by_line(tmp_path: Path) -> None:
    log = LogWriter(tmp_path / "log", at_most=1000, secrets=("BEGIN\nabcdef\nEND",))
    log.feed("main", "err", b"BEGIN\nabcdef\nEND\n")
    log.close()
    assert "abcdef" not in (tmp_path / "log").read_text()


def test_past_its_bound_the_beginning_and_the_end_are_kept(tmp_path: Path) -> None:
    texts = written(
        tmp_path / "log",
        *(b"line %d\n" % number for number in range(50_000)),
        at_most=2_000,
    )
    assert texts[0] == "line 0"
    assert texts[-1] == "line 49999"
    assert any("are left out here" in text for text in texts)
    assert (tmp_path / "log").stat().st_size < 400_000


def test_bytes_that_are_no_text_and_forged_records_are_only_text(
    tmp_path: Path,
) -> None:
    texts = written(tmp_path / "log", b"\xff\xfe\x00\n0 note x forged\n")
    assert texts == ["\ufffd\ufffd\x00", "0 note x forged"]
    assert {line.stream for line in lines_of(tmp_path / "log")} == {"out"}


def test_a_damaged_file_is_still_read(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"rubbish\n99999999999999999999 out a b\n\n")
    texts = [line.text for line in lines_of(tmp_path / "log")]
    assert texts == ["rubbish", "99999999999999999999 out a b", ""]
