"""Records of members that lie on disks, whichever version wrote them."""

from ferkit.standalone.member_folder import MemberFolder
from ferkit.training.settings import NetworkPhaseSettings

WRITTEN_BEFORE = """{
 "label": "fernet", "targets": ["fer"], "key": "k", "backbone": {"name": "fernet"},
 "training": {"epochs": 4, "learning_rate": 0.1, "head": {"epochs": 2}, "batch_size": 16},
 "seed": 0, "training_sets": {"fer": "h"}, "numbers": {"best_epoch": 3.0},
 "environment": {"backend": "jax", "device": "CPU", "versions": {}},
 "precision": "float32", "prediction": {}, "seconds": 1.0
}"""


def test_a_record_in_which_the_second_phase_stood_bare_is_read(tmp_path):
    (tmp_path / "member.json").write_text(WRITTEN_BEFORE)
    record = MemberFolder(tmp_path).read_record()
    assert record.training.network == NetworkPhaseSettings(epochs=4, learning_rate=0.1)
    assert (record.training.head.epochs, record.training.batch_size) == (2, 16)
