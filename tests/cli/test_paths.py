"""Paths: pictures that are meant, results that go where they may and nowhere else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swin2sr.cli import paths
from swin2sr.cli.paths import Source
from swin2sr.errors import ConfigError, ImageError, OutputError


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Pictures by name only: two here, one below, one hidden, one text."""
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.png", "trip/c.webp", ".trash/d.png"):
        path = tmp_path / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "album"


def _found(sources: dict[Path, Source], folder: Path) -> list[str]:
    return [source.path.relative_to(folder).as_posix() for source in sources.values()]


def test_a_folder_means_its_visible_pictures_by_name(album: Path, tmp_path: Path) -> None:
    sources = paths.find_sources([album], tmp_path / "out", recursive=False)
    assert _found(sources, album) == ["a.png", "b.JPG"]


def test_recursive_repeats_the_folders(album: Path, tmp_path: Path) -> None:
    sources = paths.find_sources([album], tmp_path / "out", recursive=True)
    assert _found(sources, album) == ["a.png", "b.JPG", "trip/c.webp"]
    assert [source.subfolder for source in sources.values()] == [Path(), Path(), Path("trip")]


def test_results_of_an_earlier_run_are_not_inputs(album: Path) -> None:
    sources = paths.find_sources([album], album / "trip", recursive=True)
    assert _found(sources, album) == ["a.png", "b.JPG"]


def test_a_picture_named_twice_is_done_once(album: Path, tmp_path: Path) -> None:
    again = [album / "a.png", album, album / "trip" / ".." / "a.png"]
    sources = paths.find_sources(again, tmp_path / "out", recursive=False)
    assert _found(sources, album) == ["a.png", "b.JPG"]


def test_files_are_taken_whatever_their_name(tmp_path: Path) -> None:
    given_ = [tmp_path / "missing", tmp_path / "scan.xyz"]
    sources = paths.find_sources(given_, tmp_path, recursive=False)
    assert [source.path for source in sources.values()] == given_


def test_a_folder_without_pictures_is_told(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        paths.find_sources([tmp_path], tmp_path / "out", recursive=False)
    assert caught.value.code == "empty"
    assert "--recursive" in str(caught.value)


def test_links_in_a_circle_are_no_surprise(tmp_path: Path) -> None:
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "round").symlink_to(tmp_path)
    sources = paths.find_sources([tmp_path / "loop.png"], tmp_path / "out", recursive=True)
    assert [source.path.name for source in sources.values()] == ["loop.png"]
    with pytest.raises(ImageError):
        paths.find_sources([tmp_path], tmp_path / "out", recursive=True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_named_pipes_in_folders_are_left_alone(album: Path, tmp_path: Path) -> None:
    os.mkfifo(album / "pipe.png")
    sources = paths.find_sources([album], tmp_path / "out", recursive=False)
    assert _found(sources, album) == ["a.png", "b.JPG"]


@pytest.mark.parametrize(
    ("output", "format", "expected"),
    [
        ("large.png", None, (".png", True)),
        ("LARGE.JPEG", None, (".jpeg", True)),
        ("large.jpg", "jpeg", (".jpg", True)),
        ("results", None, (".png", False)),
        ("results", "webp", (".webp", False)),
        ("results.v2", "jpeg", (".jpg", False)),
    ],
)
def test_the_outputs_name_says_file_or_folder(
    tmp_path: Path, output: str, format: str | None, expected: tuple[str, bool]
) -> None:
    assert paths.output_kind(tmp_path / output, [tmp_path / "a.png"], format) == expected


def test_a_folder_named_like_a_picture_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out.png").mkdir()
    assert paths.output_kind(tmp_path / "out.png", [Path("a"), Path("b")], None) == (".png", False)


@pytest.mark.parametrize(
    ("output", "inputs", "format"),
    [
        ("large.png", ["a.png", "b.png"], None),
        ("large.png", ["."], None),
        ("large.png", ["a.png"], "jpeg"),
        ("large.tif", ["a.png"], None),
    ],
)
def test_contradictions_are_told_before_any_work(
    tmp_path: Path, output: str, inputs: list[str], format: str | None
) -> None:
    with pytest.raises(ConfigError):
        paths.output_kind(tmp_path / output, [tmp_path / name for name in inputs], format)


def test_the_output_folder_is_made_but_not_its_parents(tmp_path: Path) -> None:
    paths.prepare_output(tmp_path / "out", is_file=False)
    assert (tmp_path / "out").is_dir()
    with pytest.raises(OutputError):
        paths.prepare_output(tmp_path / "no" / "out", is_file=False)
    assert not (tmp_path / "no").exists()


def test_io_02_unusable_places_are_output_errors(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    places = {
        tmp_path / "file": False,
        tmp_path / "file" / "out": False,
        tmp_path / "no" / "large.png": True,
        tmp_path / ("n" * 300 + ".png"): True,
        tmp_path / ("n" * 300): False,
    }
    for place, is_file in places.items():
        with pytest.raises(OutputError) as caught:
            paths.prepare_output(place, is_file=is_file)
        assert caught.value.exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere")
def test_io_02_a_read_only_folder_is_an_output_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError):
        paths.prepare_output(tmp_path, is_file=False)


def _names(inputs: list[str]) -> list[str]:
    sources = [Source(Path(path)) for path in inputs]
    return [t.name for t in paths.name_targets(sources, Path("out"), "swin2sr", 2, ".png")]


def test_results_are_named_after_family_and_scale() -> None:
    assert _names(["in/photo.jpg"]) == ["photo_swin2sr_x2.png"]


def test_pictures_that_differ_in_their_suffix_do_not_collide() -> None:
    assert _names(["a.jpg", "a.png", "b.png"]) == [
        "a-jpg_swin2sr_x2.png",
        "a-png_swin2sr_x2.png",
        "b_swin2sr_x2.png",
    ]


def test_io_09_names_that_some_disks_take_for_one_do_not_collide() -> None:
    names = _names(["x/Café.png", "x/Cafe\u0301.png", "x/CAFÉ.PNG", "y/Café.png"])
    assert len({name.casefold() for name in names}) == 4


@given(st.lists(st.text(st.characters(codec=None, exclude_characters="/\0"), min_size=1)))
def test_io_09_results_are_distinct_files_of_the_folder(names: list[str]) -> None:
    sources = [Source(Path("in") / name) for name in dict.fromkeys(names)]
    targets = paths.name_targets(sources, Path("out"), "swin2sr", 2, ".png")
    assert len(set(targets)) == len(sources)
    assert all(target.parent == Path("out") and target.suffix == ".png" for target in targets)
    assert all(len(os.fsencode(target.name)) <= 255 for target in targets)


def test_io_09_long_names_do_not_collide() -> None:
    names = _names([f"{folder}/{'ä' * 125}.png" for folder in "abc"])
    assert len(set(names)) == 3
    assert all(len(os.fsencode(name)) <= 255 for name in names)


def test_recursive_results_keep_their_folders() -> None:
    sources = [Source(Path("in/trip/c.png"), Path("trip"))]
    (target,) = paths.name_targets(sources, Path("out"), "swin2sr", 4, ".webp")
    assert target == Path("out/trip/c_swin2sr_x4.webp")


def test_io_03_an_existing_result_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    target.touch()
    with pytest.raises(OutputError) as caught:
        paths.check_target(target, tmp_path, [], overwrite=False)
    assert caught.value.code == "exists"
    paths.check_target(target, tmp_path, [], overwrite=True)


def test_io_03_a_dangling_link_counts_as_existing(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError):
        paths.check_target(target, tmp_path, [], overwrite=False)


def test_io_03_an_input_is_never_replaced(tmp_path: Path) -> None:
    picture, link = tmp_path / "a.png", tmp_path / "link.png"
    picture.touch()
    link.symlink_to(picture)
    for target in (picture, link, tmp_path / "x" / ".." / "a.png"):
        with pytest.raises(OutputError):
            paths.check_target(target, target, [picture.resolve()], overwrite=True)


def test_io_03_links_do_not_lead_results_outside(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "trip").symlink_to(elsewhere)
    with pytest.raises(OutputError) as caught:
        paths.check_target(out / "trip" / "a.png", out, [], overwrite=True)
    assert caught.value.code == "outside"
