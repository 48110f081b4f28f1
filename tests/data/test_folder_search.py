import os

import pytest

from ferkit.data.folder_search import find_files, reasons


def make(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names_in(root, found):
    return [path.relative_to(root).as_posix() for path in found.files]


def test_what_is_left_out_is_counted_by_reason(tmp_path):
    make(tmp_path, "b.PNG", "a/c.png", ".d.png", ".cache/e.png", "f.txt", "g.TXT", "LICENSE")
    os.mkfifo(tmp_path / "pipe.png")
    found = find_files(tmp_path, (".png",))
    assert names_in(tmp_path, found) == ["a/c.png", "b.PNG"]
    assert found.passed_over == {"hidden": 2, ".txt": 2, "without suffix": 1, "no regular file": 1}
    assert reasons(found.passed_over) == "2 .txt, 2 hidden, 1 no regular file, 1 without suffix"


def test_links_are_followed(tmp_path):
    make(tmp_path, "elsewhere/more/a.png", "elsewhere/b.png", "photos/c.png")
    (tmp_path / "photos/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos/d.png").symlink_to("c.png")
    (tmp_path / "photos/gone.png").symlink_to("nowhere.png")
    found = find_files(tmp_path / "photos", (".png",))
    assert names_in(tmp_path / "photos", found) == ["c.png", "d.png", "gone.png", "linked/b.png", "linked/more/a.png"]
    assert not found.passed_over


@pytest.mark.timeout(20)
def test_links_in_a_circle_end(tmp_path):
    make(tmp_path, "photos/a/1.png", "photos/b/2.png", "beside/3.png")
    photos = tmp_path / "photos"
    (photos / "a/self").symlink_to(".")
    (photos / "a/up").symlink_to(tmp_path)
    (photos / "a/b").symlink_to(photos / "b")
    (photos / "b/a").symlink_to(photos / "a")
    (photos / "loop.png").symlink_to("loop.png")
    found = find_files(photos, (".png",))
    assert names_in(photos, found) == ["a/1.png", "b/2.png", "loop.png"]
    assert found.passed_over == {"link to a folder that it lies in": 2, "link to a folder that is read already": 2}


def test_a_folder_that_cannot_be_listed_is_named(tmp_path):
    found = find_files(tmp_path / "gone", (".png",))
    assert found.unreadable == {tmp_path / "gone": "No such file or directory"}


def test_a_line_names_the_most_frequent_reasons(tmp_path):
    make(tmp_path, *(f"{number}.k{kind}" for kind in range(10) for number in range(kind + 1)))
    told = reasons(find_files(tmp_path, ()).passed_over)
    assert told.startswith("10 .k9, 9 .k8, ")
    assert told.endswith(", 3 .k2, 3 others")
