"""The API: ``/api/v1/``."""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from flask import Blueprint, Response, jsonify, request

from ferkit.inference.predictor import Predictor
from ferkit.serving.backend import Backend, backend
from ferkit.serving.client import gone_of
from ferkit.serving.decoding import find_all_faces
from ferkit.serving.errors import ApiError
from ferkit.serving.explanation import explanation
from ferkit.serving.model.served import Served, ServedClassifier
from ferkit.serving.requests import ExplainQuery, PredictQuery, Upload, uploads
from ferkit.serving.responses import about_model, model_of, picture_response

__all__ = ["admit_request", "api", "require_token"]

api = Blueprint("api", __name__, url_prefix="/api/v1")


def require_token() -> None:
    """Raise a 401 `ApiError` unless the request carries the token, if there is one; 429 after too many wrong ones."""
    token, wrong_tokens = backend().settings.token, backend().wrong_tokens
    if token is None:
        return
    client = request.remote_addr or ""
    given = request.authorization
    presented = given.token if given is not None and given.type == "bearer" else None
    if presented is not None:
        wrong_tokens.require_left(client)
        # In a time that does not tell how much of it is right.
        if hmac.compare_digest(presented.encode(), token.get_secret_value().encode()):
            return
        wrong_tokens.count(client)
    raise ApiError(
        401, "unauthorized", "expected the header Authorization: Bearer TOKEN.", {"WWW-Authenticate": "Bearer"}
    )


api.before_request(require_token)


@api.post("/predict")
def predict() -> Response:
    """Endpoint: the faces of one or many pictures with the probabilities of its classes."""
    query = PredictQuery.of(request)
    with admit_request() as (service, served, pictures):
        classifier = served.classifier(query.target, query.model)
        predictor = _predictor(service, classifier)
        found = find_all_faces(pictures, service, gone_of(request), served.bundle.input, detect=query.detect)
        predictions = predictor.classify([each.crops for each in found])
        service.metrics.pictures.inc(len(found))
        service.metrics.saw_faces(
            classifier.target, served.version, (face.emotion for faces in predictions for face in faces)
        )
        return jsonify(
            model=model_of(served),
            target=classifier.target,
            classes=predictor.classes,
            pictures=[
                picture_response(each, faces, predictor.classes) for each, faces in zip(found, predictions, strict=True)
            ],
        )


@api.post("/explain")
def explain() -> Response:
    """Endpoint: the heat map of one face, which parts of it speak for a class."""
    query = ExplainQuery.of(request)
    with admit_request() as (service, served, pictures):
        if len(pictures) != 1:
            raise ApiError(400, "too_many_pictures", f"{len(pictures)} pictures, expected one to explain.")
        classifier = served.classifier(query.target, query.model)
        [found] = find_all_faces(pictures, service, gone_of(request), served.bundle.input, detect=query.detect)
        faces = _predictor(service, classifier).classify([found.crops])[0]
        detector = service.detector if query.detect else None
        # Gradients need several times the memory of an answer.
        with service.explanations.share(1):
            return jsonify(explanation(classifier, query, found, faces, detector))


@api.get("/model")
def model() -> Response:
    """Endpoint: the model in use, its members, scores and card."""
    return jsonify(about_model(backend().model.current()))


@contextmanager
def admit_request() -> Iterator[tuple[Backend, Served, list[Upload]]]:
    """Count a request against its limits; yields the service, the model and the uploaded pictures.

    Raises
    ------
    ApiError
        If the client or the service is over a limit, no model is ready, or the body is not pictures.
    """
    service = backend()
    service.rate_limit.count(request.remote_addr or "")
    served = service.model.current()
    with service.requests.share(1), uploads(request, service) as pictures:
        yield service, served, pictures


def _predictor(service: Backend, classifier: ServedClassifier) -> Predictor:
    return Predictor(
        partial(service.batcher.predict, classifier, gone=gone_of(request)),
        classifier.classes,
        # Faces have been found already, in another process.
        None,
    )
