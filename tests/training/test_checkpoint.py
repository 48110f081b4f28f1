"""A training that was stopped goes on from its checkpoint, and from no other."""

import os
import shutil
import signal
import subprocess
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from ferkit.data.dataset import FaceDataset
from ferkit.errors import TrainingError
from ferkit.training.checkpoint import Checkpoint, Progress, clean_up, mark_finished
from ferkit.training.settings import HeadPhaseSettings
from tests.toys.command import forked_script
from tests.training.test_fine_tune import BACKBONE, marked_faces, train


def test_a_killed_training_goes_on_and_ends_where_an_undisturbed_one_does(tmp_path):
    undisturbed = train(tmp_path / "whole", average=0.9)
    script = textwrap.dedent(
        """
        import os, signal, sys
        sys.path.insert(0, sys.argv[1])
        import ferkit.training.checkpoint
        from tests.training.test_fine_tune import train
        from pathlib import Path
        save = ferkit.training.checkpoint.Checkpoint.save
        def save_then_die(self, progress, *args, **kwargs):
            save(self, progress, *args, **kwargs)
            if len(progress.history) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
        ferkit.training.checkpoint.Checkpoint.save = save_then_die
        train(Path(sys.argv[2]), average=0.9)
        """
    )
    (tmp_path / "killed.py").write_text(script)
    command = forked_script(tmp_path / "killed.py", Path(__file__).parents[2], tmp_path / "killed")
    killed = subprocess.run(command, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    assert list((tmp_path / "killed").rglob("last.npz"))
    resumed = train(tmp_path / "killed", average=0.9)
    assert len(resumed.history) == 3
    for one, other in zip(undisturbed.network.get_weights(), resumed.network.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert list(resumed.history["val_accuracy"]) == list(undisturbed.history["val_accuracy"])


def test_other_settings_do_not_take_over_a_checkpoint(tmp_path):
    first = train(tmp_path, epochs=1, learning_rate=0.01)
    changed = train(tmp_path, epochs=1, learning_rate=0.02)
    assert changed.history["learning_rate"].iloc[0] == pytest.approx(0.02)
    # Runs at the same moment share nothing.
    assert changed.folder != first.folder
    assert {path.parent for path in tmp_path.glob("*/state")} == {changed.folder, first.folder}


def test_a_checkpoint_whose_best_epoch_other_labels_chose_is_not_taken_over(tmp_path):
    faces = marked_faces()
    relabelled = FaceDataset(faces.images, np.where(faces.split == 1, 6 - faces.label, faces.label).astype(np.int8),
                             faces.split, faces.row)  # fmt: skip
    first, changed = train(tmp_path, faces, epochs=1), train(tmp_path, relabelled, epochs=1)
    assert changed.folder != first.folder
    assert changed.history["val_loss"].iloc[0] != first.history["val_loss"].iloc[0]


def test_a_weights_file_that_was_overwritten_starts_a_training_of_its_own(tmp_path):
    from ferkit.backbones import build_network

    backbone = BACKBONE.model_copy(update={"weights": tmp_path / "trunk.weights.h5"})
    folders = []
    for seed in (0, 1, 1):
        build_network(BACKBONE, {"fer": 7}, seed=seed).get_layer("backbone").save_weights(backbone.weights)
        head = HeadPhaseSettings(epochs=1, learning_rate=0.01)
        folders.append(train(tmp_path / "root", backbone=backbone, head=head, epochs=0).folder)
    assert folders[0] != folders[1] == folders[2]


def test_a_run_removes_what_it_finished_and_what_nobody_comes_for(tmp_path):
    day = 86_400
    ages = {"own": 0, "other": 0, "forgotten": 2 * day, "running": 0, "killed": 20 * day, "abandoned": 40 * day}
    finished = {"own": "run-1", "other": "run-2", "forgotten": "run-3"}
    for name, age in ages.items():
        folder = tmp_path / "fer-fernet" / name
        (folder / "state").mkdir(parents=True)
        then = time.time() - age
        if name in finished:
            mark_finished(folder, finished[name])
            os.utime(folder / "finished", (then, then))
        os.utime(folder, (then, then))
    clean_up(tmp_path, "run-1")
    assert {path.name for path in tmp_path.glob("*/*")} == {"other", "running", "killed"}


def test_a_state_that_is_half_written_is_not_taken_for_a_whole_one(tmp_path):
    half = tmp_path / "state-xyz"
    half.mkdir()
    (half / "progress.json").write_text("{")
    with Checkpoint(tmp_path, "key") as store:
        assert store.load() is None
        assert not half.exists()
        (tmp_path / "state").mkdir()
        (tmp_path / "state" / "progress.json").write_text('{"key": "key", "phase":')
        assert store.load() is None


def saved(store, epoch):
    store.save(Progress(epoch=epoch), [np.zeros(1)], [np.zeros(1, np.float32)])


@pytest.mark.parametrize("killed", ["between the renames", "before the older state was removed"])
def test_a_kill_in_the_middle_of_saving_keeps_a_state_and_later_ones_are_saved(tmp_path, killed):
    with Checkpoint(tmp_path, "key") as store:
        saved(store, 1)
    if killed == "between the renames":
        (tmp_path / "state").rename(tmp_path / "previous")
    else:
        shutil.copytree(tmp_path / "state", tmp_path / "previous")
    with Checkpoint(tmp_path, "key") as store:
        assert store.load().epoch == 1
        for epoch in (2, 3):
            saved(store, epoch)
            assert store.load().epoch == epoch
    assert {path.name for path in tmp_path.iterdir()} == {"state", "lock"}


def test_two_processes_do_not_write_one_state(tmp_path):
    with Checkpoint(tmp_path, "key") as first:
        (tmp_path / "state-being-written").mkdir()
        with pytest.raises(TrainingError, match=rf"process {os.getpid()} trains this very network; wait"):
            Checkpoint(tmp_path, "key").__enter__()
        assert (tmp_path / "state-being-written").exists()
        saved(first, 1)
    with Checkpoint(tmp_path, "key") as second:
        assert second.load().epoch == 1


def test_a_full_disk_keeps_the_last_whole_state_and_says_what_to_do(tmp_path):
    import resource

    trained = train(tmp_path)
    store = Checkpoint(tmp_path, "other")
    store.__enter__()
    progress = Progress(history=[{"epoch": 0}])
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        with pytest.raises(TrainingError, match="free some space and run again"):
            store.save(progress, trained.network.weights, trained.network.get_weights())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old_handler)
    assert len(train(tmp_path).history) == 3
    assert not list(tmp_path.rglob("state-*"))
