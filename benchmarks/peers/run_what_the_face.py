"""`what_the_face_classification`: its transform and its network, without its face detector.

As its `Image_classifier.predict`, which takes one face at a time; its network takes batches.
"""

from pathlib import Path
from typing import Any

import torch
from measure import measure
from PIL import Image

# torchvision's compiled part is built for one variant of one PyTorch, and none of it is used here; but its import wants
# to know this operator.
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from what_the_face_classification.inference import Image_classifier, inp_file  # noqa: E402

classifier = Image_classifier()
classifier.net.eval()


def predict(pictures: Any) -> Any:
    faces = torch.stack([classifier.transform(Image.fromarray(picture)) for picture in pictures])
    with torch.no_grad():
        return torch.softmax(classifier.net(faces), 1).numpy()


measure(classifier.classes, [Path(inp_file)], predict, batches=True)
