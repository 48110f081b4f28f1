"""Great Expectations' Data Docs page as one file that needs no network."""

import re
from typing import Any

__all__ = ["render"]

# The page takes its style from content delivery networks; this is what is needed to read it without them.
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 70rem; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; }
th, td { border-bottom: 1px solid #ddd; padding: .35rem .5rem; text-align: left; vertical-align: top; }
h1, h2, h3, h4, h5 { margin: 1rem 0 .3rem; }
.d-none, .navbar, .modal, footer, script, button, select, input, [id$="walkthrough"] { display: none !important; }
img { display: none; }
.table-danger { background: #fdeaea; } .text-success { color: #1a7f37; } .text-danger { color: #b42318; }
.text-success::before { content: "\\2714"; } .text-danger::before { content: "\\2718"; }
"""


def render(result: Any) -> str:
    """The page on a suite's validation result, as Great Expectations draws it."""
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    page = DefaultJinjaPageView().render(ValidationResultsPageRenderer(run_info_at_end=True).render(result))
    page = re.sub(r"<script\b.*?</script>", "", page, flags=re.DOTALL | re.IGNORECASE)
    page = re.sub(r"<link\b[^>]*>", "", page, flags=re.IGNORECASE)
    # A picture or an imported style would be fetched as well.
    page = re.sub(r"<(img|iframe|source)\b[^>]*>", "", page, flags=re.IGNORECASE)
    page = re.sub(r"@import[^;]*;", "", page)
    page = re.sub(r'\b(href|src)="https?://[^"]*"', "", page)
    page = re.sub(r"url\(['\"]?https?://[^)]*\)", "none", page)
    return page.replace("</head>", f"<style>{_STYLE}</style></head>", 1)
