"""Documents: text means itself in Markdown and in HTML, and every picture is found."""

import re

import markdown
import pytest

from ferkit.reporting.document import Code, Document, Picture, Section, Table, Text
from tests.reporting.html_page import Page

TEXTS = [
    "a | b",
    "<b>bold</b> &amp; > 1",
    "> 1",
    "*x* _y_ `z`",
    "# no heading",
    "[link](http://example.org)",
    "back\\slash",
    "a_b_c",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_means_itself_in_both_forms(text: str) -> None:
    document = Document("t", (text,), (Section("s", (Text(text), Table(("h",), ((text,),)))),))
    for html in (
        document.to_html(),
        markdown.markdown(document.to_markdown(), extensions=["tables"]),
    ):
        page = Page(html)
        assert [row for row in page.rows if row == [text]] == [[text]]
        assert not set(page.tags) & {"b", "em", "code"}
        assert not [address for address in page.addresses if "example.org" in address]


def test_code_cannot_close_its_fence() -> None:
    document = Document("t", (), (Section("s", (Code("```\n# not a heading\n````", "yaml"),)),))
    assert document.to_markdown().count("`````") == 2
    assert "not a heading" not in [*re.findall(r"<h\d>(.*?)</h\d>", document.to_html())]


def test_pictures_of_smaller_sections_are_found() -> None:
    inner = Section("inner", (Picture("a.png", b"1"),), folded=True)
    document = Document("t", (), (Section("s", (Picture("b.png", b"2"),), (inner,)),))
    assert document.pictures() == {"b.png": b"2", "a.png": b"1"}
    assert "<details><summary>inner</summary>" in document.to_html()
