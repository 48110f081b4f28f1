"""A document of text, tables, pictures and code that becomes Markdown, and one HTML file that needs nothing else."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Code", "Document", "Picture", "Section", "Table", "Text"]

# Marks that Markdown may read as more than themselves; "_" within a word and "[" that starts no link are left alone, so
# that the file is pleasant to read as text too.
_MARKDOWN_SPECIAL = re.compile(r"[\\`*|]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|\](?=[(\[:])|^[#>]")


@dataclass(frozen=True)
class Text:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True)
class Code:
    """Text to be shown as it is, such as a configuration."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Table:
    """A table of plain text.

    Attributes
    ----------
    header
        Names of the columns.
    rows
        One text a column.
    strong
        Indices of the rows that stand out.
    caption
        What the table shows.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    strong: frozenset[int] = frozenset()
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """A PNG file.

    Attributes
    ----------
    name
        Name of its file in the folder beside the Markdown.
    png
        Its content.
    caption
        What it shows.
    half
        Two of them stand side by side in HTML.
    """

    name: str
    png: bytes = field(repr=False)
    caption: str = ""
    half: bool = False

    @property
    def data_uri(self) -> str:
        """The picture as an address that holds it."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


Block = Text | Code | Table | Picture


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it.

    Attributes
    ----------
    title
        The heading.
    blocks
        What stands directly below.
    sections
        Smaller sections.
    folded
        Closed in HTML until a reader opens it.
    """

    title: str
    blocks: tuple[Block, ...] = ()
    sections: tuple["Section", ...] = ()
    folded: bool = False


@dataclass(frozen=True)
class Document:
    """A report as title, lead and sections, to be written as Markdown or HTML.

    Attributes
    ----------
    title
        Heading of the document.
    lead
        What a reader who reads one thing reads.
    sections
        In order.
    """

    title: str
    lead: tuple[str, ...]
    sections: tuple[Section, ...]

    def pictures(self) -> dict[str, bytes]:
        """Every picture by the name of its file."""
        return {block.name: block.png for block in _blocks(self.sections) if isinstance(block, Picture)}

    def to_markdown(self) -> str:
        """GitHub's Markdown; pictures are files in ``figures/``."""
        lines = [f"# {escape_markdown(self.title)}", ""]
        for text in self.lead:
            lines += [escape_markdown(text), ""]
        for section in self.sections:
            lines += _markdown(section, 2)
        return "\n".join(lines)

    def to_html(self) -> str:
        """One file: styles and pictures are inside, nothing is fetched."""
        from jinja2 import Environment, StrictUndefined

        environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        environment.tests["kind"] = lambda block, name: type(block).__name__ == name
        return environment.from_string(_TEMPLATE).render(document=self)


def _blocks(sections: tuple[Section, ...]) -> Iterator[Block]:
    for section in sections:
        yield from section.blocks
        yield from _blocks(section.sections)


def escape_markdown(text: str) -> str:
    plain = _MARKDOWN_SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))
    return plain.replace("&", "&amp;").replace("<", "&lt;")


def _markdown(section: Section, level: int) -> list[str]:
    lines = [f"{'#' * level} {escape_markdown(section.title)}", ""]
    for block in section.blocks:
        if isinstance(block, Text):
            lines += [escape_markdown(block.text)]
        elif isinstance(block, Code):
            # A fence longer than any in the text cannot be closed by it.
            fence = "```"
            while fence in block.text:
                fence += "`"
            lines += [f"{fence}{block.language}", block.text.rstrip("\n"), fence]
        elif isinstance(block, Picture):
            lines += [f"![{escape_markdown(block.caption)}](figures/{block.name})"]
        else:
            lines += _markdown_table(block)
        lines += [""]
    for smaller in section.sections:
        lines += _markdown(smaller, level + 1)
    return lines


def _markdown_table(table: Table) -> list[str]:
    lines = [escape_markdown(table.caption), ""] if table.caption else []
    lines += [f"| {' | '.join(map(escape_markdown, table.header))} |", f"|{'---|' * len(table.header)}"]
    for index, row in enumerate(table.rows):
        mark = "**" if index in table.strong else ""
        lines += [f"| {' | '.join(f'{mark}{escape_markdown(cell)}{mark}' if cell else '' for cell in row)} |"]
    return lines


_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ document.title }}</title>
<style>
:root { color-scheme: light dark; --paper: #fff; --ink: #1d1f23; --soft: #5c636e; --line: #dfe2e7; --fill: #f5f6f8;
        --mark: #e7f1fa; --accent: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --paper: #15171a; --ink: #e6e8eb; --soft: #a0a7b1; --line: #33383f;
        --fill: #1e2125; --mark: #17324a; --accent: #62b6ea; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
       font: 15px/1.55 system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
nav { position: sticky; top: 0; z-index: 1; background: var(--paper); border-bottom: 1px solid var(--line); }
nav ul { max-width: 1180px; margin: 0 auto; padding: .55rem 1.25rem; display: flex; flex-wrap: wrap; gap: .25rem 1.1rem;
         list-style: none; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: .5rem 0 .75rem; }
h2 { font-size: 1.35rem; margin: 2.4rem 0 .6rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h2, h3 { scroll-margin-top: 3.5rem; }
h3 { font-size: 1.08rem; margin: 1.6rem 0 .5rem; }
.lead { background: var(--mark); border-left: 4px solid var(--accent); padding: .7rem 1rem; border-radius: 4px; }
.lead p { margin: .25rem 0; }
.scroll { overflow-x: auto; margin: .6rem 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
caption { text-align: left; color: var(--soft); padding-bottom: .35rem; }
th, td { padding: .32rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { background: var(--fill); font-weight: 600; white-space: nowrap; }
td { overflow-wrap: break-word; }
tr.strong td { background: var(--mark); font-weight: 600; }
figure { margin: .6rem 0 1.2rem; }
figure img { max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line); border-radius: 6px;
             padding: 6px; }
figcaption { color: var(--soft); font-size: .88rem; }
.blocks { display: flex; flex-wrap: wrap; gap: 0 1.2rem; align-items: flex-start; }
.blocks > * { flex: 1 0 100%; min-width: 0; max-width: 100%; }
.blocks > figure.half { flex: 0 1 calc(50% - .6rem); }
@media (max-width: 46rem) { .blocks > figure.half { flex-basis: 100%; } }
details { border: 1px solid var(--line); border-radius: 6px; margin: .6rem 0; padding: 0 1rem; }
summary { cursor: pointer; padding: .55rem 0; font-weight: 600; }
pre { background: var(--fill); border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem; overflow-x: auto;
      font-size: .85rem; line-height: 1.45; }
@media print { nav { display: none; } }
</style>
</head>
<body>
{% macro show(block) %}
{% if block is kind("Text") %}
<p>{{ block.text }}</p>
{% elif block is kind("Code") %}
<pre><code>{{ block.text }}</code></pre>
{% elif block is kind("Picture") %}
<figure{% if block.half %} class="half"{% endif %}>
<img src="{{ block.data_uri }}" alt="{{ block.caption or block.name }}" loading="lazy">
{% if block.caption %}<figcaption>{{ block.caption }}</figcaption>{% endif %}</figure>
{% else %}
<div class="scroll"><table>
{% if block.caption %}<caption>{{ block.caption }}</caption>{% endif %}
<thead><tr>{% for name in block.header %}<th scope="col">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in block.rows %}
<tr{% if loop.index0 in block.strong %} class="strong"{% endif %}>
{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
{% endif %}
{% endmacro %}
{% macro content(section, level) %}
<div class="blocks">
{% for block in section.blocks %}{{ show(block) }}{% endfor %}
</div>
{% for smaller in section.sections %}
{% if smaller.folded %}
<details><summary>{{ smaller.title }}</summary>
{{ content(smaller, level + 1) }}
</details>
{% else %}
<h{{ level }}>{{ smaller.title }}</h{{ level }}>
{{ content(smaller, level + 1) }}
{% endif %}
{% endfor %}
{% endmacro %}
<nav><ul>
{% for section in document.sections %}<li><a href="#s{{ loop.index }}">{{ section.title }}</a></li>
{% endfor %}
</ul></nav>
<main>
<h1>{{ document.title }}</h1>
{% if document.lead %}<div class="lead">{% for text in document.lead %}<p>{{ text }}</p>{% endfor %}</div>{% endif %}
{% for section in document.sections %}
<section id="s{{ loop.index }}">
<h2>{{ section.title }}</h2>
{{ content(section, 3) }}
</section>
{% endfor %}
</main>
</body>
</html>
"""
