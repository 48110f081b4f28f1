"""Great Expectations' Data Docs page as one file that needs no network."""

import re
from html import escape
from typing import Any

__all__ = ["render"]

# The page takes its style from content delivery networks; this is what is needed to read it without them.
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 75rem; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { border-bottom: 1px solid #ddd; padding: .35rem .5rem; text-align: left; vertical-align: top; }
th { white-space: nowrap; }
h1, h2, h3, h4, h5 { margin: 1rem 0 .3rem; }
.d-none, .navbar, .modal, .sticky, footer, button, select, input, [id$="walkthrough"] { display: none !important; }
.summary { border-left: 4px solid #1a7f37; background: #f3f8f4; padding: .6rem 1rem; }
.text-success { color: #1a7f37; } .text-danger { color: #b42318; } .text-warning { color: #9a6700; }
.text-success::before { content: "\\2714"; } .text-danger::before { content: "\\2718"; }
.text-warning::before { content: "\\26A0"; }
"""


def render(result: Any, summary: str) -> str:
    """The page on a suite's validation result, as Great Expectations draws it, below a summary of ours.

    Parameters
    ----------
    result
        Great Expectations' ``ExpectationSuiteValidationResult``.
    summary
        What came of it, as plain text: Great Expectations calls a suite failed that has one warning.
    """
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    document = ValidationResultsPageRenderer(run_info_at_end=True).render(result)
    page = re.sub(
        r"<script\b.*?</script>", "", DefaultJinjaPageView().render(document), flags=re.DOTALL | re.IGNORECASE
    )
    # Whatever a browser would fetch, and links to pages that there are not.
    page = re.sub(r"<(link|img|iframe|source)\b[^>]*>", "", page, flags=re.IGNORECASE)
    page = re.sub(r"@import[^;]*;", "", page)
    page = re.sub(r'\b(href|src)="(?!#)[^"]*"', "", page)
    page = re.sub(r"url\(['\"]?https?://[^)]*\)", "none", page)
    page = page.replace("</head>", f"<style>{_STYLE}</style></head>", 1)
    return re.sub(
        r"<body\b[^>]*>", lambda body: f'{body.group()}<p class="summary">{escape(summary)}</p>', page, count=1
    )
