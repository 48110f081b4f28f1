import numpy as np
import pytest
from pydantic import ValidationError

from ferkit.training.augmentation import AugmentationSettings, build_augmentation

OFF = {"flip": 0, "rotation": 0, "shift": 0, "zoom": 0}
STRONG = AugmentationSettings(
    flip=0.5, rotation=30, shift=0.2, zoom=0.3, contrast=0.9, brightness=0.8, erasing=0.5, erasing_area=0.4
)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (32, 48, 48, 1), dtype=np.uint8)


def augment(settings, pictures, seed=1, **call):
    from keras import ops

    return ops.convert_to_numpy(build_augmentation(settings, seed)(pictures, **call))


def dots(count):
    """Pictures with one soft dot in the middle, whose centroid tells where a warp took it."""
    x = np.arange(48) - 23.5
    bell = np.exp(-(x[:, None] ** 2 + x[None, :] ** 2) / 8) * 200
    return np.repeat(bell[None, ..., None].astype(np.float32), count, axis=0)


def centroids(pictures):
    weight = pictures[..., 0] / pictures.sum(axis=(1, 2, 3))[:, None, None]
    x = np.arange(48) - 23.5
    return np.stack([(weight.sum(axis=1) * x).sum(axis=1), (weight.sum(axis=2) * x).sum(axis=1)], axis=1)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_all_off_changes_nothing(pictures, dtype):
    given = pictures.astype(dtype)
    changed = augment(AugmentationSettings(**OFF), given, training=True)
    assert changed.dtype == dtype
    np.testing.assert_array_equal(changed, given)


def test_inference_changes_nothing(pictures):
    np.testing.assert_array_equal(augment(STRONG, pictures, training=False), pictures)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_type_and_range_stay(pictures, dtype):
    changed = augment(STRONG, pictures.astype(dtype), training=True)
    assert changed.dtype == dtype
    assert changed.shape == pictures.shape
    assert changed.min() == 0
    assert changed.max() == 255


def test_a_seed_decides_everything(pictures):
    from keras import ops

    layer = build_augmentation(STRONG, 1)
    first, second = (ops.convert_to_numpy(layer(pictures, training=True)) for _ in range(2))
    np.testing.assert_array_equal(augment(STRONG, pictures, seed=1, training=True), first)
    assert (augment(STRONG, pictures, seed=2, training=True) != first).mean() > 0.5
    assert (second != first).mean() > 0.5


def test_flip(pictures):
    always = augment(AugmentationSettings(**{**OFF, "flip": 1}), pictures, training=True)
    np.testing.assert_array_equal(always, pictures[:, :, ::-1])
    many = np.repeat(pictures[:1], 400, axis=0)
    half = augment(AugmentationSettings(**{**OFF, "flip": 0.5}), many, training=True)
    flipped = (half == many[:, :, ::-1]).all(axis=(1, 2, 3))
    assert ((half == many).all(axis=(1, 2, 3)) | flipped).all()
    assert 140 < flipped.sum() < 260


def test_shift_stays_within_its_limit_on_both_axes():
    changed = augment(AugmentationSettings(**{**OFF, "shift": 0.1}), dots(400), training=True)
    moved = centroids(changed)
    limit = 4.8
    assert (np.abs(moved) < limit + 0.05).all()
    assert (moved.min(axis=0) < -0.9 * limit).all()
    assert (moved.max(axis=0) > 0.9 * limit).all()
    assert abs(np.corrcoef(moved.T)[0, 1]) < 0.2


def test_rotation_and_zoom_stay_within_their_limits():
    dot = np.roll(dots(300), 12, axis=2)
    moved = centroids(augment(AugmentationSettings(**{**OFF, "rotation": 20, "zoom": 0.2}), dot, training=True))
    angle = np.degrees(np.arctan2(moved[:, 1], moved[:, 0]))
    size = np.hypot(*moved.T) / 12
    assert -20.5 < angle.min() < -18
    assert 18 < angle.max() < 20.5
    assert 0.78 < size.min() < 0.83
    assert 1.17 < size.max() < 1.22


def test_contrast_and_brightness():
    grey = np.random.default_rng(0).uniform(100, 150, (200, 48, 48, 1)).astype(np.float32)
    mean, spread = grey.mean(axis=(1, 2, 3)), grey.std(axis=(1, 2, 3))
    changed = augment(AugmentationSettings(**OFF, contrast=0.3), grey, training=True)
    np.testing.assert_allclose(changed.mean(axis=(1, 2, 3)), mean, atol=1e-2)
    factor = changed.std(axis=(1, 2, 3)) / spread
    assert 0.69 < factor.min() < 0.75
    assert 1.25 < factor.max() < 1.31
    added = augment(AugmentationSettings(**OFF, brightness=0.1), grey, training=True) - grey
    assert added.std(axis=(1, 2, 3)).max() < 1e-3
    assert -25.6 < added.min() < -22
    assert 22 < added.max() < 25.6


def test_erasing_fills_one_rectangle():
    flat = np.full((300, 48, 48, 1), 77.0, dtype=np.float32)
    erased = augment(AugmentationSettings(**OFF, erasing=1, erasing_area=0.2), flat, training=True)[..., 0] != 77
    area = erased.mean(axis=(1, 2))
    rows, columns = erased.any(axis=2).sum(axis=1), erased.any(axis=1).sum(axis=1)
    np.testing.assert_allclose(area * 48 * 48, rows * columns)
    # Whole pixels round the continuous rectangle by up to one row and one column.
    assert 0.01 < area.min() < 0.04
    assert 0.15 < area.max() < 0.25
    assert (columns > rows).any()
    assert (rows > columns).any()


def test_warp_is_exact_where_no_interpolation_is_needed(pictures):
    from keras import ops

    from ferkit.training.augmentation_layer import warp

    grey = pictures.astype(np.float32)

    def by(matrix):
        inverse = np.repeat(np.array([matrix], dtype=np.float32), len(grey), axis=0)
        return ops.convert_to_numpy(warp(ops.convert_to_tensor(grey), ops.convert_to_tensor(inverse)))

    np.testing.assert_array_equal(by([[1, 0, 0], [0, 1, 0]]), grey)
    np.testing.assert_array_equal(by([[0, -1, 0], [1, 0, 0]]), np.rot90(grey, axes=(1, 2)))
    shifted = by([[1, 0, 3], [0, 1, -2]])
    np.testing.assert_array_equal(shifted, np.pad(grey, ((0, 0), (2, 0), (0, 3), (0, 0)), mode="reflect")[:, :48, 3:])
    between = by([[1, 0, 0.25], [0, 1, 0]])[:, :, :47]
    np.testing.assert_allclose(between, 0.75 * grey[:, :, :47] + 0.25 * grey[:, :, 1:], atol=1e-3)


def test_in_a_network_it_works_in_training_only(pictures):
    import keras

    picture = keras.Input((48, 48, 1), dtype="uint8")
    layer = build_augmentation(STRONG, 1)
    network = keras.Model(picture, layer(picture))
    assert network.output.dtype == "uint8"
    np.testing.assert_array_equal(network.predict(pictures, verbose=0), pictures)
    trained = keras.ops.convert_to_numpy(network(pictures, training=True))
    assert (trained != pictures).mean() > 0.5


def test_layer_can_be_rebuilt_from_its_config(pictures):
    from keras import ops

    layer = build_augmentation(STRONG, 1)
    again = type(layer).from_config(layer.get_config())
    first, second = (ops.convert_to_numpy(each(pictures, training=True)) for each in (layer, again))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("wrong", [{"rotation": -1}, {"flip": 1.5}, {"zoom": 1}, {"rotate": 3}, {"shift": "much"}])
def test_settings_refuse(wrong):
    with pytest.raises(ValidationError):
        AugmentationSettings(**wrong)
