"""What stands in the way of a file that somebody named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from streammon.core.files import why_no_file, why_not_there


def test_what_can_be_had_needs_no_word(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert why_not_there(tmp_path) == why_not_there(file) == why_no_file(str(file)) == ""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none", "no such file"),
        ("file/below", "no such file"),
        ("a\0b", "no such file"),
        ("a" * 300, "cannot be read: File name too long"),
        ("loop", "cannot be read: Too many levels of symbolic links"),
        (".", "it is a folder, not a file"),
        ("pipe", "not a regular file"),
    ],
)
def test_the_cause_is_said(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    assert why_no_file(tmp_path / name) == why


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_of_somebody_else_is_named_as_such(tmp_path: Path) -> None:
    shut = tmp_path / "shut"
    shut.mkdir(mode=0)
    assert why_not_there(shut / "file") == "cannot be read: Permission denied"
