"""The published table of the shipped models, as text and in the pages that show it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from ferkit.data.labels import DECLARED_TARGETS
from ferkit.errors import DataError

__all__ = [
    "BEGIN",
    "END",
    "SCORES",
    "check_page",
    "markdown_table",
    "missing_pictures",
    "publish",
    "published_table",
    "read_scores",
    "update_page",
]

SCORES = "scores.csv"
BEGIN, END = "<!-- reference -->", "<!-- /reference -->"

# Pictures of the whole of FER-2013, and how many of them FER+'s majority protocol keeps.
_OFFICIAL = {
    ("FER-2013", "PublicTest"): 3589,
    ("FER-2013", "PrivateTest"): 3589,
    ("FER+ majority", "PublicTest"): 3199,
    ("FER+ majority", "PrivateTest"): 3153,
}
_CALIBRATION = ("ECE raw", "log loss raw", "ECE answered", "log loss answered")
_HOW_CALIBRATED = (
    "ECE and log loss, raw: of the probabilities as networks and votes give them, and so comparable between all lines; "
    "answered: with the temperature, which a member of a vote does not have."
)


def published_table(scores: pd.DataFrame) -> str:
    """Markdown: for each target one line a model and set of pictures, models before members."""
    parts = []
    for target in scores["target"].unique():
        lines = scores[scores["target"] == target]
        labels = lines["labels"].iloc[0]
        order = lines["role"].map({"vote": 0, "default": 1, "tiny": 2, "member": 3})
        rows = [_row(line) for line in lines.assign(order=order).sort_values("order", kind="stable").to_dict("records")]
        parts += [
            _heading(str(target), str(labels)),
            markdown_table(
                ("model", "pictures of", "count", "accuracy (95 % interval)", "macro-F1", *_CALIBRATION), rows
            ),
        ]
    parts.append(_HOW_CALIBRATED)
    if short := missing_pictures(scores):
        parts.insert(0, f"Not the whole of FER-2013: {short}.")
    return "\n\n".join(parts)


def _heading(target: str, labels: str) -> str:
    declared = DECLARED_TARGETS.get(target)
    if declared is None:
        return f"**{target}** (labels: {labels})"
    return f"**{declared.heading}** (`{target}`, {len(declared.classes)} classes; labels: {labels})"


def missing_pictures(scores: pd.DataFrame) -> str:
    """Which sets are smaller than the official ones; empty if none is."""
    found = {(line["labels"], line["subset"]): line["pictures"] for line in scores.to_dict("records")}
    return ", ".join(
        f"{found[key]:,} pictures of {key[1]} ({key[0]}) instead of {count:,}"
        for key, count in _OFFICIAL.items()
        if key in found and found[key] != count
    )


def read_scores(folder: Path) -> pd.DataFrame:
    """The scores that were published with the bundle in `folder`.

    Raises
    ------
    DataError
        If there are none.
    """
    try:
        return pd.read_csv(folder / SCORES)
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / SCORES}: no scores there ({error}); export the bundle again.") from error


def check_page(page: Path) -> None:
    """Raise DataError unless `update_page` can write to `page`."""
    _split_page(page)


def publish(page: Path, scores: pd.DataFrame) -> None:
    """Put the table of `scores` between the markers of a Markdown page.

    Raises
    ------
    DataError
        If they are not of the whole of FER-2013, or as `update_page` does.
    """
    if short := missing_pictures(scores):
        raise DataError(f"{page}: left as it was, a published table is of the whole data; this one has {short}.")
    update_page(page, published_table(scores))


def update_page(page: Path, text: str) -> None:
    """Put `text` between the markers of a Markdown page; the rest of it stays.

    Raises
    ------
    DataError
        If the page, or one of its markers, is missing.
    """
    before, _, after = _split_page(page)
    page.write_text(f"{before}{BEGIN}\n{text.strip()}\n{END}{after}")


def _split_page(page: Path) -> tuple[str, str, str]:
    """What stands before, between and after the markers."""
    try:
        before, begin, rest = page.read_text().partition(BEGIN)
    except OSError as error:
        raise DataError(f"{page}: {error.strerror}, expected a page with the lines {BEGIN} and {END}.") from error
    between, end, after = rest.partition(END)
    if not begin or not end:
        raise DataError(f"{page}: expected the lines {BEGIN} and {END}, between which the table goes; add them.")
    return before, between, after


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose first two columns are text and the others numbers."""
    rule = ["---" if index < 2 else "---:" for index in range(len(header))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def _row(line: dict[str, object]) -> tuple[str, ...]:
    accuracy, low, high = (f"{100 * float(line[f'accuracy{end}']):.2f}" for end in ("", "_low", "_high"))  # type: ignore[arg-type]
    count = f"{line['pictures']:,}"
    if line["pictures"] != line["available"]:
        count += f" of {line['available']:,}"
    name = f"**{line['model']}**" if line["role"] != "member" else str(line["model"])
    calibration = [line[key] for key in ("expected_calibration_error", "log_loss")]
    member = line["role"] == "member"
    # Scores that an older version wrote have no numbers without the temperature.
    raw = calibration if member else [line.get(f"raw_{key}") for key in ("expected_calibration_error", "log_loss")]
    answered = [None, None] if member else calibration
    numbers = ("-" if value is None else f"{value:.4f}" for value in (line["macro_f1"], *raw, *answered))
    return name, str(line["subset"]), count, f"{accuracy} % ({low}..{high})", *numbers
