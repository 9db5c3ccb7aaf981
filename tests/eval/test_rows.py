"""Results on disk: exact, readable after any cut, merged without loss."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from eval.run.protocol import Scores
from eval.run.rows import Row, RowLog, TableCell, merge, number, read, rounded
from swin2sr.errors import OutputError

CELL = TableCell('my, "model"', "Set5", 2, "bicubic")


def row(image: str, psnr: float = 30.0, cell: TableCell = CELL) -> Row:
    scores = rounded(Scores(psnr, 0.9, psnr - 2, 0.88))
    return Row(cell, image, "mirror", 20, 10, scores, 0.25, 4096)


def filled(out: Path, rank: int, *rows: Row) -> None:
    lines = RowLog(out, rank)
    for one in rows:
        lines.append(one)


def test_rows_are_read_back_as_they_were(tmp_path: Path) -> None:
    restored = Row(
        TableCell("m", "LIVE1", 1, "jpeg10"),
        "b",
        "none",
        8,
        8,
        rounded(Scores(float("inf"), 1.0, 1 / 3, 2 / 3, 28.7654321, 29.0)),
        1.5,
        None,
    )
    filled(tmp_path, 0, row("é, 1"), restored)
    rows, notes = read(tmp_path)
    assert list(rows.values()) == [row("é, 1"), restored]
    assert notes == []


def test_a_run_without_results_has_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path / "nowhere") == ({}, [])
    RowLog(tmp_path, 0)
    assert read(tmp_path) == ({}, [])


def test_io_06_a_cut_last_line_is_left_out_at_every_byte(tmp_path: Path) -> None:
    filled(tmp_path, 0, row("a"), row("b"))
    path = tmp_path / "journal" / "rank0.csv"
    whole = path.read_bytes()
    ends = [i for i, byte in enumerate(whole) if byte == ord("\n")]
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        rows, notes = read(tmp_path)
        complete = max(0, sum(end < length for end in ends) - 1)
        assert [key[1] for key in rows] == ["a", "b"][:complete]
        assert bool(notes) == (length > 0 and whole[length - 1 : length] != b"\n")


def test_io_06_a_journal_goes_on_after_its_last_whole_line(tmp_path: Path) -> None:
    filled(tmp_path, 0, row("a"), row("b"))
    path = tmp_path / "journal" / "rank0.csv"
    whole = path.read_bytes()
    for length in (0, 5, len(whole) - 3):
        path.write_bytes(whole[:length])
        filled(tmp_path, 0, row("a"), row("b"))
        assert {key[1] for key in read(tmp_path)[0]} == {"a", "b"}
        assert read(tmp_path)[1] == []


def test_a_damaged_line_costs_only_its_image(tmp_path: Path) -> None:
    filled(tmp_path, 0, row("a"), row("b"), row("c"))
    path = tmp_path / "journal" / "rank0.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    for damaged in (b"rubbish\n", b"\0\0\0\n", lines[2].replace(b"30.000000", b"thirty")):
        path.write_bytes(b"".join([*lines[:2], damaged, *lines[3:]]))
        rows, notes = read(tmp_path)
        assert [key[1] for key in rows] == ["a", "c"]
        assert len(notes) == 1


def test_another_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images.csv").write_text("name,age\nx,1\n")
    with pytest.raises(OutputError, match="no such table"):
        read(tmp_path)


def test_merging_keeps_every_row_and_removes_the_journals(tmp_path: Path) -> None:
    filled(tmp_path, 0, row("a"))
    filled(tmp_path, 1, row("b"))
    before, _ = read(tmp_path)
    merge(tmp_path, [before[(CELL, "b")], before[(CELL, "a")]])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.csv", "seconds.csv"]
    after, notes = read(tmp_path)
    assert list(after) == [(CELL, "b"), (CELL, "a")]
    assert after == before
    assert notes == []


def test_merged_rows_and_a_journal_of_the_same_are_one(tmp_path: Path) -> None:
    merge(tmp_path, [row("a")])
    filled(tmp_path, 0, row("a"), row("b"))
    assert list(read(tmp_path)[0]) == [(CELL, "a"), (CELL, "b")]


def test_quality_tables_hold_no_times(tmp_path: Path) -> None:
    slow = Row(CELL, "a", "mirror", 20, 10, row("a").scores, 99.0, 1)
    for place, one in (("x", row("a")), ("y", slow)):
        (tmp_path / place).mkdir()
        merge(tmp_path / place, [one])
    first, second = (tmp_path / place / "images.csv" for place in "xy")
    assert first.read_bytes() == second.read_bytes()


def test_io_02_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="rank0"):
        RowLog(tmp_path / "file", 0)
    lines = RowLog(tmp_path, 0)
    (tmp_path / "journal" / "rank0.csv").unlink()
    (tmp_path / "journal").rmdir()
    with pytest.raises(OutputError, match="rank0"):
        lines.append(row("a"))


def test_a_row_is_flushed_to_the_disk_before_the_next_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, flushed = RowLog(tmp_path, 0), []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        flushed.append((tmp_path / "journal" / "rank0.csv").read_bytes().count(b"\n"))

    monkeypatch.setattr(os, "fsync", fsync)
    lines.append(row("a"))
    lines.append(row("b"))
    assert flushed == [2, 3]


def test_without_a_folder_nothing_is_kept() -> None:
    RowLog(None, 0).append(row("a"))


def test_figures_have_fixed_decimals() -> None:
    assert number(1 / 3, 4) == "0.3333"
    assert number(float("inf"), 2) == "inf"
    assert number(None, 2) == ""
