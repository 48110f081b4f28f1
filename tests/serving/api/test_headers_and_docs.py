"""What comes beside the API's answers: headers for browsers, metrics, its description and the page of it."""

import re

import pytest
from openapi_spec_validator import validate
from prometheus_client.parser import text_string_to_metric_families

from ferkit.serving.app import create_app
from ferkit.serving.model.live_model import LiveModel
from ferkit.serving.openapi import description
from ferkit.serving.settings import ServingSettings
from tests.detection.test_detection import drawn_faces
from tests.toys.pictures import encoded
from tests.toys.server import ROOT


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/api/v1/model", "/nothing"])
def test_browsers_are_told_what_not_to_do(server, path):
    headers = server.get(path, Origin="https://evil.example").headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "camera=(self)" in headers["permissions-policy"]
    assert headers["cache-control"] == "no-store"
    assert not [name for name in headers if name.startswith("access-control")]


def test_no_other_page_may_ask(server):
    response = server.request(
        "OPTIONS",
        "/api/v1/predict",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_what_is_counted(server):
    server.predict(encoded(drawn_faces()[0]), "detect=false")
    server.get("/invented/by/a/client")
    server.request("BREW", "/healthz")
    page = server.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(page.body.decode())}
    requests = {
        tuple(s.labels.values()): s.value for s in families["ferkit_requests"].samples if s.name.endswith("_total")
    }
    assert requests["/api/v1/predict", "POST", "200"] >= 1
    assert not any("invented" in endpoint for endpoint, _, _ in requests)
    methods = {method for _, method, _ in requests}
    assert "BREW" not in methods
    assert "other" in methods
    [model] = families["ferkit_model"].samples
    assert (model.labels["name"], model.labels["version"], model.value) == ("toy", "local", 1)
    assert families["ferkit_registry_up"].samples[0].value == -1
    assert {"ferkit_waiting_faces", "ferkit_network_seconds", "process_resident_memory_bytes"} <= set(families)


def test_the_description_is_valid_and_covers_every_route(server, bundle, tmp_path):
    about = server.get("/openapi.json").json
    validate(about)
    app = create_app(ServingSettings(), LiveModel(tmp_path, fallback=bundle, registry=False))
    routes = {
        (rule.rule, method.lower())
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/api/") or rule.rule in ("/healthz", "/readyz", "/metrics", "/openapi.json")
    }
    assert {(path, method) for path, item in about["paths"].items() for method in item} == routes
    codes = set(
        re.findall(
            r'ApiError\(\s*\d+,\s*"(\w+)"', "".join(p.read_text() for p in (ROOT / "ferkit" / "serving").glob("*.py"))
        )
    )
    assert codes <= set(about["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]["enum"])


def test_the_docs_page_needs_no_other_host(server):
    page = server.get("/docs").body.decode()
    for name in (*description()["components"]["schemas"], "/api/v1/explain", "no_such_face", "too_many_pixels"):
        assert name in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert "<script" not in page
    assert "`" not in page, "what is code in the description is code on the page"
    assert "<code>Content-Type: image/*</code>" in page
    assert 'href="/"' in page
    assert "style=" not in page
    sheet = re.search(r'href="(/static/[^"]+\.css)"', page)[1]
    assert server.get(sheet).headers["content-type"].startswith("text/css")
