"""Test-time augmentation."""

import tracemalloc

import numpy as np

from ferkit.models.face_model import predict
from ferkit.models.test_time_augmentation import NO_TTA, TestTimeAugmentation

PICTURES = np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)


def test_without_augmentation_the_picture_is_its_only_view():
    (only,) = NO_TTA.augment(PICTURES)
    np.testing.assert_array_equal(only, PICTURES)


def test_flip_adds_the_mirror_image():
    one, other = TestTimeAugmentation(flip=True).augment(PICTURES)
    np.testing.assert_array_equal(one, PICTURES)
    np.testing.assert_array_equal(other, PICTURES[:, :, ::-1])


def test_five_crops_and_flip_are_ten_views_of_the_whole_side():
    views = list(TestTimeAugmentation(flip=True, crops="five").augment(PICTURES))
    assert len(views) == 10
    assert all(view.shape == PICTURES.shape and view.dtype == np.uint8 for view in views)


def test_crops_are_the_corners_and_the_centre_enlarged():
    ramp = np.broadcast_to(np.arange(48, dtype=np.uint8) * 5, (1, 48, 48))
    top_left, top_right, _, _, centre = TestTimeAugmentation(crops="five").augment(ramp)
    assert (top_left[0, 0, 0], top_left[0, 0, -1]) == (0, 41 * 5)
    assert (top_right[0, 0, 0], top_right[0, 0, -1]) == (6 * 5, 47 * 5)
    # The left edge of the centre crop is the third pixel; each column steps 42/48 of a pixel on.
    np.testing.assert_allclose(centre[0, 7], 15 + 5 * np.clip((np.arange(48) + 0.5) * 42 / 48 - 0.5, 0, 41), atol=0.51)


def test_a_prediction_is_the_mean_over_the_views():
    import keras

    picture = keras.Input((48, 48, 1), dtype="uint8")
    left = keras.layers.Lambda(lambda x: keras.ops.cast(x[:, 0, 0], "float32") / 255, output_shape=(1,))(picture)
    network = keras.Model(picture, keras.layers.Concatenate()([left, 1 - left, *[left] * 5]))
    both = predict(network, PICTURES, "fer", TestTimeAugmentation(flip=True))
    expected = (PICTURES[:, 0, 0] / 255 + PICTURES[:, 0, -1] / 255) / 2
    np.testing.assert_allclose(both[:, 0], expected, atol=1e-6)
    assert predict(network, PICTURES[:0], "fer").shape == (0, 7)


def test_views_of_a_batch_alone_are_in_memory_at_a_time():
    import keras

    pictures = np.zeros((2000, 48, 48), dtype=np.uint8)
    picture = keras.Input((48, 48, 1), dtype="uint8")
    network = keras.Model(picture, keras.layers.Lambda(lambda x: x[:, 0, :7, 0], output_shape=(7,))(picture))
    predict(network, pictures[:300], "fer")
    tracemalloc.start()
    try:
        predict(network, pictures, "fer", TestTimeAugmentation(flip=True, crops="five"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Ten views of all are 46 MB, and a crop is made in float32, which takes four times its bytes.
    assert peak < 16e6
