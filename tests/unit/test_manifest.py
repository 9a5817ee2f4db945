"""Manifests are read as they are written, and what is wrong is named with its line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from streammon.core.errors import ConfigError
from streammon.evaluation.manifest import Manifest, Row


def written(path: Path, text: str) -> Path:
    data = text.encode("utf-8")
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def rows(path: Path, *, split: str | None = None) -> list[Row]:
    return list(Manifest(path, split=split).rows())


def refused(path: Path, *, split: str | None = None) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        Manifest(path, split=split)
    return [line.removeprefix(f"{path}:") for line in str(refusal.value).splitlines()]


@pytest.mark.parametrize("name", ["m.csv", "m.csv.gz"])
def test_a_csv_names_files_beside_it(tmp_path: Path, name: str) -> None:
    path = written(
        tmp_path / name,
        "\ufeffFile,label,system,speaker,source,licence\r\n"
        "a/one.wav,fake,piper,ann,own,CC0\r\n"
        "\r\n"
        "/far/two.wav,0,,,libri,CC0\r\n",
    )
    first, second = rows(path)
    assert first == Row(
        line=2, fake=True, path=tmp_path / "a" / "one.wav", system="piper", source="own",
        group="speaker:ann",
    )  # fmt: skip
    assert (second.line, second.path) == (4, Path("/far/two.wav"))
    assert (second.fake, second.group) == (False, "source:libri")
    assert second.name == "/far/two.wav"


@pytest.mark.parametrize("name", ["m.jsonl", "m.jsonl.gz"])
def test_json_lines_hold_texts(tmp_path: Path, name: str) -> None:
    lines = [
        {"text": 'a text, "quoted"\nof two lines', "label": 1, "generator": "gpt", "domain": "x"},
        {"text": "another", "label": 0, "generator": None, "source": "irc", "tags": ["a"]},
    ]
    path = written(tmp_path / name, "\n\n".join(map(json.dumps, lines)))
    first, second = rows(path)
    assert (first.text, first.fake, first.system) == (lines[0]["text"], True, "gpt")
    assert first.group == "line:1"  # nothing to group by: each stands for itself
    assert (second.line, second.system, second.group) == (3, "", "source:irc")
    assert first.name == "text of line 1"


@pytest.mark.parametrize(
    ("label", "fake"),
    [("1", True), ("fake", True), ("Synthetic", True), (" AI ", True), ("spoof", True),
     ("0", False), ("REAL", False), ("genuine", False), ("human", False), ("bonafide", False)],
)  # fmt: skip
def test_labels_go_by_many_names(tmp_path: Path, label: str, fake: bool) -> None:
    (row,) = rows(written(tmp_path / "m.csv", f"path,label\na.wav,{label}\n"))
    assert row.fake is fake


def test_the_group_is_the_identity_before_the_speaker_before_the_source(tmp_path: Path) -> None:
    text = "path,label,identity,speaker,source\na,1,i,s,o\nb,1,,s,o\nc,1,,,o\nd,1,,,\n"
    found = [row.group for row in rows(written(tmp_path / "m.csv", text))]
    assert found == ["identity:i", "speaker:s", "source:o", "line:5"]


def test_a_split_is_a_part_of_the_rows(tmp_path: Path) -> None:
    path = written(tmp_path / "m.csv", "path,label,split\na,1,train\nb,0,dev\nc,what,train\n")
    assert [row.line for row in rows(path, split="dev")] == [3]
    assert len(Manifest(path, split="dev")) == 1
    assert "label: 'what'" in refused(path)[0]
    assert "whose split is 'test'" in refused(path, split="test")[0]


def test_where_a_fake_begins_and_ends(tmp_path: Path) -> None:
    text = "path,label,from_s,to_s\na,1,3.5,9\nb,0,,\n"
    first, second = rows(written(tmp_path / "m.csv", text))
    assert (first.from_s, first.to_s) == (3.5, 9.0)
    assert (second.from_s, second.to_s) == (None, None)


def test_every_wrong_row_is_named_with_its_line(tmp_path: Path) -> None:
    text = (
        "path,text,label,from_s,to_s\n"
        "a.wav,,maybe,,\n"
        'b.wav,"two\nlines",1,,\n'
        ",,1,,\n"
        "c.wav,,1,soon,\n"
        "d.wav,,1,5,5\n"
        "e.wav,,1,-1,\n"
    )
    found = refused(written(tmp_path / "m.csv", text))
    assert found[0].startswith("2: label: 'maybe' is none of 1, fake, synthetic")
    assert found[1].startswith("3: either `path`")
    assert found[2].startswith("5: either `path`")
    assert found[3] == "6: from_s: 'soon' is not a time in seconds, 0 or more"
    assert found[4] == "7: to_s: 5 is not after from_s"
    assert found[5].startswith("8: from_s: '-1'")


def test_no_more_problems_are_listed_than_people_read(tmp_path: Path) -> None:
    path = written(tmp_path / "m.csv", "path,label\n" + "a,?\n" * 100)
    assert len(refused(path)) == 8


@pytest.mark.parametrize(
    ("name", "text", "cause"),
    [
        ("m.csv", "path,kind\na,1\n", "1: needs a column `label`"),
        ("m.csv", "label,kind\n1,2\n", "1: needs a column `label` and one of `path`"),
        ("m.csv", "path,label,Path\na,1,b\n", "1: the column 'path' is there twice"),
        ("m.csv", "path,label\na,1,extra\n", "2: 3 cells under 2 column names"),
        ("m.csv", 'path,label\n"a"b,1\n', "2: not valid CSV"),
        ("m.csv", "", " holds no rows"),
        ("m.csv", "path,label\na\0b,1\n", "2: path: holds a null character"),
        ("m.jsonl", '{"text": "a", "label": 1}\n{"text"\n', "2: not valid JSON"),
        ("m.jsonl", "[1]\n", "1: expected an object, got list"),
        ("m.jsonl", "[" * 200_000 + "\n", "1: not valid JSON"),
        ("m.jsonl", '{"text": "a", "label": true}\n', "1: label: '' is none of"),
        ("m.txt", "path,label\na,1\n", " a manifest's name ends in .csv"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, name: str, text: str, cause: str) -> None:
    (line,) = refused(written(tmp_path / name, text))
    assert line.startswith(cause)


def test_bytes_that_are_no_text_and_files_that_are_not_there_are_refused(tmp_path: Path) -> None:
    latin = tmp_path / "latin.csv"
    latin.write_bytes(b"path,label\nna\xefve.wav,1\n")
    assert "not UTF-8" in refused(latin)[0]
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(b'{"text": "a", "label": 1}\n' * 1000)[:-20])
    assert "not a whole gzip file" in refused(cut)[0]
    plain = tmp_path / "plain.csv.gz"
    plain.write_bytes(b"path,label\na,1\n")
    assert "not a whole gzip file" in refused(plain)[0]
    assert "cannot be read: No such file" in refused(tmp_path / "gone.csv")[0]


def test_rows_are_not_kept(tmp_path: Path) -> None:
    """A manifest of many texts is read a line at a time, each time anew."""
    path = tmp_path / "m.jsonl"
    with path.open("w") as out:
        for number in range(2_000):
            out.write(json.dumps({"text": f"{number} " + "x" * 10_000, "label": number % 2}) + "\n")
    manifest = Manifest(path)
    assert len(manifest) == 2_000
    import tracemalloc

    tracemalloc.start()
    try:
        assert sum(row.fake for row in manifest.rows()) == 1_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000  # the file holds 20 MB
