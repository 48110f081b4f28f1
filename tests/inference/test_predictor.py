import cv2
import numpy as np
import pytest

from ferkit.detection.base import Face, Framing
from ferkit.detection.crop import crop_face, grey, whole_as_face
from ferkit.detection.loading import DETECTORS, load_detector
from ferkit.errors import DataError
from ferkit.inference.drawing import draw_predictions
from ferkit.inference.predictor import FacePrediction, Predictor
from tests.detection.test_detection import drawn_faces, scene

NAMES = ("dark", "bright")


def by_brightness(images):
    """A model that can be foretold: how bright the picture is."""
    assert images.dtype == np.uint8
    assert images.shape[1:] == (48, 48)
    bright = images.mean(axis=(1, 2)) / 255
    return np.stack([1 - bright, bright], axis=1)


def likeness(one, other):
    """Correlation of two pictures' pixels."""
    return np.corrcoef(one.astype(float).ravel(), other.astype(float).ravel())[0, 1]


def test_grey_is_itu_r_601():
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [90, 90, 90]]], dtype=np.uint8)
    np.testing.assert_array_equal(grey(colours), [[76, 150, 29, 255, 90]])


def test_a_picture_that_is_a_face_is_not_changed():
    image = drawn_faces()[0]
    np.testing.assert_array_equal(whole_as_face(grey(np.repeat(image[..., None], 3, axis=2))), image)


def test_a_picture_that_is_a_face_is_made_smaller_by_area():
    image = drawn_faces()[0]
    np.testing.assert_array_equal(whole_as_face(image.repeat(5, axis=0).repeat(5, axis=1)), image)
    assert whole_as_face(image[:30, :20]).shape == (48, 48)


def test_crop_of_whole_pixels_is_the_square_itself():
    picture = np.random.default_rng(0).integers(0, 256, (100, 120), dtype=np.uint8)
    np.testing.assert_array_equal(crop_face(picture, Face((30, 20, 48, 48), 1), Framing()), picture[20:68, 30:78])
    enlarged = picture.repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_array_equal(crop_face(enlarged, Face((120, 80, 192, 192), 1), Framing()), picture[20:68, 30:78])


def test_crop_follows_the_framing():
    # Brightness says where a pixel was.
    across = np.tile(np.arange(200, dtype=np.uint8), (200, 1))
    box = Face((80, 60, 40, 40), 1)
    wide = crop_face(across, box, Framing(scale=1.2))
    assert (wide[24, 0], wide[24, -1]) == (pytest.approx(76, abs=1), pytest.approx(124, abs=1))
    higher = crop_face(across.T, box, Framing(up=0.25))
    assert (higher[0, 24], higher[-1, 24]) == (pytest.approx(50, abs=1), pytest.approx(90, abs=1))


def test_crop_beyond_the_border_repeats_it():
    picture = np.full((60, 60), 10, dtype=np.uint8)
    picture[:, 0] = 200
    crop = crop_face(picture, Face((-20, 10, 40, 40), 1), Framing())
    assert (crop[:, :22] == 200).all()
    assert (crop[:, 28:] == 10).all()
    far = crop_face(picture, Face((-500, -500, 40, 40), 1), Framing())
    assert (far == 200).all()


@pytest.mark.parametrize("degrees", [-70, -25, 25, 70, 180])
def test_a_head_that_leans_is_set_upright(degrees):
    image = drawn_faces()[0]
    picture = grey(scene((image, 300, 240, 192, degrees)))
    box = (300 - 96, 240 - 96, 192, 192)
    assert likeness(crop_face(picture, Face(box, 1, degrees), Framing()), image) > 0.95
    assert likeness(crop_face(picture, Face(box, 1), Framing()), image) < 0.8


@pytest.mark.parametrize("name", DETECTORS)
def test_faces_are_cut_as_they_were_pasted(name):
    """The framing of each detector: its crops resemble the 48x48 pictures more than wider or narrower ones do."""
    detector = load_detector(name)
    scores = {scale: [] for scale in (0.7, 1.0, 1.4)}
    for image in drawn_faces()[2:12]:
        picture = scene((image, 320, 240, 192, 0))
        faces = detector.detect(picture)
        for scale, of_scale in scores.items():
            framing = Framing(detector.framing.scale * scale, detector.framing.up)
            of_scale += [likeness(crop_face(grey(picture), face, framing), image) for face in faces[:1]]
    assert len(scores[1.0]) >= 6
    assert np.median(scores[1.0]) > max(np.median(scores[0.7]), np.median(scores[1.4]))


def test_predict_says_where_what_and_how_sure():
    bright = np.clip(drawn_faces()[0].astype(int) + 90, 0, 255).astype(np.uint8)
    picture = scene((drawn_faces()[2] // 2, 130, 240, 160, 0), (bright, 430, 240, 240, 0))
    first, second = Predictor(by_brightness, NAMES, load_detector("blazeface")).predict(picture)
    assert (first.emotion, second.emotion) == ("bright", "dark")
    assert first.box[2] > second.box[2]
    for face in (first, second):
        assert face.score > 0.5
        assert face.probabilities.dtype == np.float32
        assert face.probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_many_pictures_are_one_question_and_the_same_answers():
    counts = []

    def classify(images):
        counts.append(len(images))
        return by_brightness(images)

    two = scene((drawn_faces()[0], 150, 240, 180, 0), (drawn_faces()[2], 450, 240, 200, 0))
    one = scene((drawn_faces()[3], 320, 240, 220, 0))
    nobody = np.full((200, 300, 3), 90, dtype=np.uint8)
    predictor = Predictor(classify, NAMES, load_detector("blazeface"))
    together = predictor.predict_many([two, nobody, one])
    assert counts == [3]
    assert [len(faces) for faces in together] == [2, 0, 1]
    for picture, faces in zip([two, nobody, one], together, strict=True):
        for face, alone in zip(faces, predictor.predict(picture), strict=True):
            assert (face.box, face.emotion) == (alone.box, alone.emotion)
            np.testing.assert_array_equal(face.probabilities, alone.probabilities)


def test_the_model_is_not_asked_about_nobody():
    def never(images):
        raise AssertionError

    predictor = Predictor(never, NAMES, load_detector("blazeface"))
    assert predictor.predict_many([]) == []
    assert predictor.predict(np.zeros((30, 30, 3), dtype=np.uint8)) == []


def test_without_a_detector_the_picture_is_the_face():
    [face] = Predictor(by_brightness, NAMES, None).predict(np.full((60, 90, 3), 255, dtype=np.uint8))
    assert (face.box, face.score, face.emotion) == ((0, 0, 90, 60), 1.0, "bright")


def test_a_model_of_other_classes_is_refused():
    predictor = Predictor(lambda images: np.full((len(images), 3), 1 / 3), NAMES, None)
    with pytest.raises(DataError, match=r"the model returned \(1, 3\) for 1 faces, expected .* dark, bright"):
        predictor.predict(np.zeros((48, 48, 3), dtype=np.uint8))


def test_drawing_marks_the_face_and_leaves_the_picture_alone():
    picture = np.full((200, 300, 3), 90, dtype=np.uint8)
    before = picture.copy()
    faces = [FacePrediction((100, 80, 60, 60), 0.9, "happy", np.array([0.1, 0.9], dtype=np.float32))]
    drawn = draw_predictions(picture, faces)
    np.testing.assert_array_equal(picture, before)
    changed = (drawn != picture).any(axis=2)
    # The outline, the label above it, and nothing inside or far away.
    assert changed[80, 100:160].all()
    assert changed[100:139, 100].all()
    assert changed[66:78, 104:130].all()
    assert not changed[85:135, 105:155].any()
    assert not changed[150:].any()


@pytest.mark.parametrize("box", [(0, 0, 300, 200), (-40, -40, 90, 90), (280, 190, 60, 60)])
def test_a_label_stays_within_the_picture(box):
    picture = np.full((200, 300, 3), 90, dtype=np.uint8)
    face = FacePrediction(box, 0.9, "surprise", np.array([1.0], dtype=np.float32))
    filled = (draw_predictions(picture, [face]) == (255, 214, 10)).all(axis=2)
    # An opened mask keeps only the label's ground, not the outline.
    label = cv2.morphologyEx(filled.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 12), np.uint8))
    assert label.any(axis=0).sum() > 60


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ((0.3, -1.5), "said 0.3, -1.5 of a face, which sums to -1.2"),
        ((0.9, 0.8), "sums to 1.7"),
        ((1.4, -0.4), "said 1.4, -0.4"),
        ((np.nan, 0.5), "sums to nan"),
        ((np.inf, 0.5), "sums to inf"),
    ],
)
def test_what_is_no_probability_is_never_told(output, message):
    predictor = Predictor(
        lambda images: np.array([(0.5, 0.5), output] if len(images) == 2 else [output]), NAMES, detector=None
    )
    pictures = [np.zeros((60, 60, 3), np.uint8)] * 2
    with pytest.raises(DataError) as caught:
        predictor.predict_many(pictures)
    assert message in str(caught.value)
    assert "keras.layers.Softmax()" in str(caught.value)
