"""Shards that ferkit wrote: they hold what the folder holds, and one that is missing, cut or changed is named."""

import io
import json
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferkit.data.stored_pictures import StoredPictures
from ferkit.errors import DataError
from ferkit.sources import FolderSettings, ShardSettings, fingerprint, load, read
from ferkit.sources.shard_writer import plan_shards, write_shards
from tests.pipelines.test_streamed_run import write_folder
from tests.sources.written_pictures import PICTURE, write_tar
from tests.toys.pictures import encoded

COUNT = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("folder")
    write_folder(root, COUNT)
    return FolderSettings(path=root)


@pytest.fixture
def shards(folder, tmp_path):
    write_shards(plan_shards(folder, 50, 0), tmp_path / "shards")
    return tmp_path / "shards"


def test_shards_hold_what_the_folder_holds_in_its_order(folder, shards):
    memory, streamed = load(folder), load(ShardSettings(path=shards))
    assert isinstance(streamed.images, StoredPictures)
    np.testing.assert_array_equal(np.asarray(streamed.images), memory.images)
    for name in ("label", "split", "row"):
        np.testing.assert_array_equal(getattr(streamed, name), getattr(memory, name))
    assert streamed.picture_hashes().tolist() == memory.picture_hashes().tolist()
    with tarfile.open(shards / "train-000000.tar") as archive:
        names = archive.getnames()
        about = json.load(archive.extractfile(names[1]))
    assert len(names) == 100
    assert names[0].partition(".")[0] == names[1].partition(".")[0] == f"{about['row']:09d}"
    assert about["split"] == "Training"
    assert (folder.path / about["name"]).is_file()


def test_a_streamed_folder_is_the_same_pictures(folder):
    streamed = load(folder.model_copy(update={"stream": True}))
    memory = load(folder)
    np.testing.assert_array_equal(np.asarray(streamed.images), memory.images)
    assert streamed.picture_hashes().tolist() == memory.picture_hashes().tolist()


def test_shards_of_a_folder_keep_its_classes(tmp_path):
    for at, name in enumerate(("calm", "tense", "calm")):
        place = tmp_path / "faces/train" / name / f"{at}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encoded(np.full((48, 48), at, dtype=np.uint8)))
    write_shards(plan_shards(FolderSettings(path=tmp_path / "faces"), 10, 0), tmp_path / "shards")
    faces = load(ShardSettings(path=tmp_path / "shards"))
    assert faces.classes == ("calm", "tense")
    assert [faces.classes[label] for label in faces.label] == ["calm", "calm", "tense"]


@pytest.mark.parametrize("keep", [0.5, "half a member", "no end"])
def test_a_shard_that_was_cut_short_is_named(shards, keep):
    shard = shards / "train-000001.tar"
    content = shard.read_bytes()
    with tarfile.open(shard) as archive:
        member = archive.getmembers()[20]
    cut = {0.5: len(content) // 2, "half a member": member.offset_data + 100, "no end": member.offset}[keep]
    shard.write_bytes(content[:cut])
    with pytest.raises(DataError, match=r"train-000001\.tar: .* bytes that do not end as a tar file does"):
        load(ShardSettings(path=shards))


def test_a_compressed_shard_is_refused(shards):
    import gzip

    shard = shards / "train-000001.tar"
    shard.write_bytes(gzip.compress(shard.read_bytes()) + bytes(1024))
    with pytest.raises(DataError, match=r"train-000001\.tar: not a whole uncompressed tar file"):
        load(ShardSettings(path=shards))


def test_a_missing_shard_is_named_before_and_after_the_data_was_read(shards):
    faces = load(ShardSettings(path=shards))
    (shards / "train-000001.tar").unlink()
    with pytest.raises(DataError, match=r"1 of 6 shards are missing, such as train-000001\.tar"):
        load(ShardSettings(path=shards))
    with pytest.raises(DataError, match=r"train-000001\.tar: cannot be read \(No such file"):
        np.asarray(faces.images)


def test_a_shard_that_was_changed_is_named(shards):
    faces = load(ShardSettings(path=shards))
    shard = shards / "train-000000.tar"
    shard.write_bytes(shard.read_bytes() + bytes(512))
    with pytest.raises(DataError, match=r"train-000000\.tar: .* it was changed after its pictures were found"):
        np.asarray(faces.images)


def test_the_fingerprint_is_that_of_the_content(shards, tmp_path):
    settings = ShardSettings(path=shards)
    before = fingerprint(settings)
    shards.rename(tmp_path / "elsewhere")
    elsewhere = settings.model_copy(update={"path": tmp_path / "elsewhere"})
    assert fingerprint(elsewhere) == before
    assert fingerprint(elsewhere.model_copy(update={"side": 64})) != before
    (tmp_path / "elsewhere/train-000000.tar").rename(tmp_path / "elsewhere/train-9.tar")
    (tmp_path / "elsewhere/shards.json").unlink()
    assert fingerprint(elsewhere) != before


def test_equal_pictures_have_one_hash_wherever_they_lie(folder, shards, tmp_path):
    write_shards(plan_shards(folder, 70, 5), tmp_path / "others")
    one, other = (load(ShardSettings(path=path)) for path in (shards, tmp_path / "others"))
    assert one.content_hash() == other.content_hash()
    assert one.images.location_hash() != other.images.location_hash()


def test_writing_goes_on_where_it_was_killed(folder, tmp_path):
    plan = plan_shards(folder, 50, 0)

    class KilledError(Exception):
        pass

    def kill(_count, seen=[]):  # noqa: B006
        seen.append(1)
        if len(seen) > 70:
            raise KilledError

    with pytest.raises(KilledError):
        write_shards(plan, tmp_path / "out", kill)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["shards.json", "train-000000.tar"]
    with pytest.raises(DataError, match="5 of 6 shards are missing"):
        load(ShardSettings(path=tmp_path / "out"))
    first = (tmp_path / "out/train-000000.tar").stat().st_mtime_ns
    counted = []
    write_shards(plan_shards(folder, 50, 0), tmp_path / "out", counted.append)
    assert sum(counted) == COUNT
    assert (tmp_path / "out/train-000000.tar").stat().st_mtime_ns == first
    write_shards(plan, tmp_path / "whole")
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes()


def test_pictures_can_be_stored_smaller(tmp_path):
    grey = np.repeat(np.linspace(0, 255, 300).astype(np.uint8)[None], 200, axis=0)
    for name, pixels in (("grey", grey), ("red", np.stack([grey, 0 * grey, 0 * grey], axis=-1))):
        path = tmp_path / "pictures/train/happy" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    settings = FolderSettings(path=tmp_path / "pictures")
    (training, _), _ = write_shards(plan_shards(settings, 50, 0, side=64), tmp_path / "shards")
    with tarfile.open(training) as archive:
        stored = Image.open(io.BytesIO(archive.extractfile(archive.getnames()[0]).read()))
    assert (stored.format, stored.size) == ("JPEG", (64, 64))
    images = np.asarray(load(ShardSettings(path=tmp_path / "shards", side=64, colour="rgb")).images).astype(int)
    red = np.asarray(Image.fromarray(grey).resize((64, 64), Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(images[1] - np.stack([red, 0 * red, 0 * red], axis=-1)).mean() < 3
    assert np.abs(images[0] - red[..., None]).mean() < 3
    with pytest.raises(DataError, match="holds shards of other pictures or settings"):
        write_shards(plan_shards(settings, 50, 0), tmp_path / "shards")


def test_other_pictures_are_not_mixed_with_those_that_are_there(folder, shards, tmp_path):
    with pytest.raises(DataError, match="holds shards of other pictures or settings"):
        write_shards(plan_shards(folder, 60, 0), shards)
    write_tar(tmp_path / "theirs/train.tar", [PICTURE])
    with pytest.raises(DataError, match=r"holds tar files that no shards\.json lists"):
        write_shards(plan_shards(folder, 60, 0), tmp_path / "theirs")


def test_a_place_that_cannot_be_written_and_a_link_to_nothing_are_lines(folder, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"file: cannot be written \((Not a directory|File exists)\); the same command"):
        write_shards(plan_shards(folder, 50, 0), tmp_path / "file")
    write_folder(tmp_path / "pictures")
    (tmp_path / "pictures/train/happy/gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"gone\.png: cannot be read \(No such file"):
        plan_shards(FolderSettings(path=tmp_path / "pictures"), 50, 0)


def test_a_damaged_picture_is_left_out_of_the_shards_with_its_reason(tmp_path):
    write_folder(tmp_path / "pictures")
    settings = FolderSettings(path=tmp_path / "pictures")
    broken = next((tmp_path / "pictures/train/happy").iterdir())
    broken.write_bytes(broken.read_bytes()[:300])
    plan = plan_shards(settings, 50, 0)
    shards, damaged = write_shards(plan, tmp_path / "shards")
    assert damaged.file.tolist() == [str(broken)]
    assert damaged.reason[0].startswith(f"{broken}: not a whole picture (")
    folder, streamed = load(settings), load(ShardSettings(path=tmp_path / "shards"))
    assert streamed.row.tolist() == folder.row.tolist()
    np.testing.assert_array_equal(np.asarray(streamed.images), folder.images)
    # The same command, when all is there or a part of it.
    again, damaged = write_shards(plan, tmp_path / "shards")
    assert (again, damaged.file.tolist()) == (shards, [str(broken)])
    assert "was damaged when train-00000" in damaged.reason[0]
    other = next((tmp_path / "pictures/train/sad").iterdir())
    other.write_bytes(b"no picture")
    plan = plan_shards(settings, 50, 0)
    with pytest.raises(DataError, match=r"2 of 200 pictures are damaged, expected at most 1: .*Mend the file"):
        write_shards(replace(plan, source=settings.model_copy(update={"maximum_damaged": 0.005})), tmp_path / "few")
    with pytest.raises(DataError, match=r": not a (whole )?picture.*Mend the file or delete it\.$"):
        write_shards(replace(plan, source=settings.model_copy(update={"maximum_damaged": 0})), tmp_path / "none")
    assert len(write_shards(plan, tmp_path / "more")[1]) == 2


def test_a_damaged_picture_of_a_shard_is_put_aside_with_its_reason(folder, shards, caplog):
    whole = load(ShardSettings(path=shards))
    shard = shards / "train-000001.tar"
    with tarfile.open(shard) as archive:
        damaged = [member for member in archive if member.name.endswith(".png")][7]
    with shard.open("r+b") as file:
        file.seek(damaged.offset_data)
        file.write(b"no picture")
    faces, table = read(ShardSettings(path=shards))
    row = int(damaged.name.partition(".")[0])
    assert table.row.tolist() == [row]
    assert table.file.tolist() == [f"{shard}, {damaged.name}"]
    assert table.reason[0].startswith(f"{shard}, {damaged.name}: not a picture, expected")
    assert table.reason[0].endswith("Make the shard again without it.")
    assert caplog.messages == [f"quarantined: {table.reason[0]}"]
    kept = whole.row != row
    np.testing.assert_array_equal(faces.row, whole.row[kept])
    np.testing.assert_array_equal(np.asarray(faces.images), np.asarray(whole.take(kept).images))
    np.testing.assert_array_equal(faces.label, whole.label[kept])
    with pytest.raises(DataError, match=rf"{shard.name}, {damaged.name}: not a picture, .*Make the shard again"):
        load(ShardSettings(path=shards, maximum_damaged=0))


def test_tar_reads_what_was_written(shards, tmp_path):
    subprocess.run(["tar", "xf", shards / "test-000000.tar", "-C", tmp_path], check=True)
    assert len(list(tmp_path.glob("*.png"))) == len(list(tmp_path.glob("*.json"))) == 20


def test_the_command_says_what_it_wrote_and_what_is_next(folder, tmp_path):
    def shard():
        return subprocess.run(
            [sys.executable, "-c", "from ferkit.cli.app import main; main()", "data", "shard", folder.path, "out"],
            cwd=tmp_path, env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    done = shard()
    assert done.returncode == 0, done.stderr
    assert f"out: {COUNT} pictures in 3 shards" in done.stdout
    assert "ferkit run CONFIG --set 'data={source: shards, path: out}'" in done.stdout
    (tmp_path / "out/shards.json").write_text("{}")
    done = shard()
    assert done.returncode == 1
    assert done.stderr.startswith("ferkit: out: holds shards of other pictures")
