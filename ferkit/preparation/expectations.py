"""The expectations themselves, as a Great Expectations suite."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from ferkit.data.labels import SPLITS
from ferkit.preparation.data_docs import render
from ferkit.preparation.picture_table import PICTURE_COLUMNS, ROW_RULES

if TYPE_CHECKING:
    from ferkit.preparation.validation_settings import ValidationSettings

__all__ = ["Outcome", "check"]

_TAGGERS = 10
_CONSEQUENCES = {
    "fatal": "the run stops",
    "quarantine": "the pictures are put aside",
    "warning": "a warning, the pictures stay",
}
# As many row numbers as a person will look up.
_ROWS_SHOWN = 5


@dataclass(frozen=True)
class Outcome:
    """What came of the suite.

    Attributes
    ----------
    table
        One line an expectation, see `ferkit.preparation.validation.ValidationResult`.
    quarantine
        Row and reason of each picture that is to be put aside.
    data_docs
        The page.
    """

    table: pd.DataFrame
    quarantine: list[tuple[int, str]]
    data_docs: str


def check(
    table: pd.DataFrame, settings: "ValidationSettings", classes: tuple[str, ...], *, with_votes: bool, pixels: int
) -> Outcome:
    """Hold a table of `ferkit.preparation.picture_table.picture_table` to the suite of expectations.

    Parameters
    ----------
    classes
        Names of the labels.
    with_votes
        Whether there are FER+ votes.
    pixels
        Of each picture.
    """
    # It would report its use over the network, and is read when the package is imported.
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batches = context.data_sources.add_pandas("faces").add_dataframe_asset("pictures")
    # Not through the context, which would write down the whole suite again with each that is added.
    suite = gx.ExpectationSuite(
        name="faces",
        expectations=[
            *_fatal(settings, classes, pixels),
            *(_votes(settings) if with_votes else ()),
            *_single_rows(settings),
        ],
    )
    batch = batches.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": table})
    # Not through a ValidationDefinition, which copies every row number into a store that nobody reads.
    result = batch.validate(
        suite,
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": ["row"],
            "return_unexpected_index_query": False,
        },
    )
    table = pd.DataFrame([_line(each) for each in result.results])
    quarantine = [
        (row, str(each.expectation_config.meta["subject"]))
        for each in result.results
        if each.expectation_config.meta["severity"] == "quarantine"
        for row in _rows(each)
    ]
    return Outcome(table, quarantine, render(result, _summary(table, quarantine)))


def _fatal(settings: "ValidationSettings", classes: tuple[str, ...], pixels: int) -> Iterator[Any]:
    """What no model may be trained without."""
    import great_expectations.expectations as gxe
    from great_expectations.expectations.row_conditions import Column

    def about(subject: str, expected: str, condition: Any = None) -> dict[str, Any]:
        return _about(subject, expected, "fatal", condition)

    def between(column: str, low: int, high: int, subject: str, expected: str) -> Any:
        return gxe.ExpectColumnValuesToBeBetween(
            column=column, min_value=low, max_value=high, **about(subject, expected)
        )

    yield gxe.ExpectTableColumnsToMatchOrderedList(
        column_list=list(PICTURE_COLUMNS), **about("columns", "the schema of a FaceDataset")
    )
    yield gxe.ExpectColumnValuesToBeUnique(column="row", **about("row numbers", "each to occur once"))
    yield gxe.ExpectColumnValuesToBeInSet(
        column="split", value_set=list(SPLITS), **about("unknown splits", f"one of {', '.join(SPLITS)}")
    )
    last = len(classes) - 1
    yield between("label", 0, last, "labels out of range", f"numbers 0..{last}")
    yield between("pixels", pixels, pixels, "pictures of another size", f"{pixels:,} pixels in each")
    yield between("darkest", 0, 255, "darkest pixels out of range", "0..255")
    yield between("brightest", 0, 255, "brightest pixels out of range", "0..255")
    split = Column("split")
    counted = [
        ("Training pictures", split == SPLITS[0], settings.minimum_training),
        *((f"{name} pictures", split == name, settings.minimum_evaluation) for name in SPLITS[1:]),
        *(
            (f"{name} Training pictures", (split == SPLITS[0]) & (Column("emotion") == name), least)
            for name in classes
            for least in [settings.minimum_class]
        ),
    ]
    for subject, condition, least in counted:
        yield gxe.ExpectTableRowCountToBeBetween(min_value=least, **about(subject, f"at least {least:,}", condition))
    shares: tuple[tuple[str, int | None, int | None, float, str], ...] = (
        ("spread", 1, None, settings.maximum_constant, "constant pictures"),
        ("copies_in_split", None, 0, settings.maximum_copies, "pictures with a copy in their split"),
        ("copies_in_other_splits", None, 0, settings.maximum_copies, "pictures with a copy in another split"),
    )
    for column, low, high, share, subject in shares:
        yield gxe.ExpectColumnValuesToBeBetween(
            column=column,
            min_value=low,
            max_value=high,
            mostly=1 - share,
            **about(subject, f"at most {share:.1%} of all"),
        )


def _votes(settings: "ValidationSettings") -> Iterator[Any]:
    """That FER+ has votes, and that they are those of these pictures."""
    import great_expectations.expectations as gxe
    from great_expectations.expectations.row_conditions import Column

    yield gxe.ExpectColumnValuesToBeBetween(
        column="votes",
        max_value=_TAGGERS,
        **_about("pictures with too many FER+ votes", f"at most {_TAGGERS} votes each", "fatal"),
    )
    yield gxe.ExpectColumnValuesToBeBetween(
        column="votes",
        min_value=1,
        mostly=1 - settings.maximum_without_votes,
        **_about("pictures without FER+ votes", f"at most {settings.maximum_without_votes:.1%} of all", "fatal"),
    )
    most = 1 - settings.minimum_agreement
    yield gxe.ExpectColumnValuesToBeInSet(
        column="ferplus_agrees",
        value_set=[True],
        mostly=settings.minimum_agreement,
        **_about(
            "pictures whose FER+ emotion is not their FER label",
            f"at most {most:.1%} of those with votes, or fer2013new.csv is not in the order of fer2013.csv",
            "fatal",
            Column("emotion_votes") > 0,
        ),
    )


def _single_rows(settings: "ValidationSettings") -> Iterator[Any]:
    """What single rows are put aside for, or warned of."""
    import great_expectations.expectations as gxe
    from great_expectations.expectations.row_conditions import Column

    training, evaluation = Column("split") == SPLITS[0], Column("split") != SPLITS[0]
    for column, least, most, subject, setting in ROW_RULES:
        for name, condition, severity in (
            ("Training", training, "quarantine" if getattr(settings, setting) == "quarantine" else "warning"),
            ("PublicTest and PrivateTest", evaluation, "warning"),
        ):
            yield gxe.ExpectColumnValuesToBeBetween(
                column=column,
                min_value=least,
                max_value=most,
                **_about(subject, f"no such picture in {name}", severity, condition),
            )


def _about(subject: str, expected: str, severity: str, condition: Any = None) -> dict[str, Any]:
    """Arguments that every expectation has: what it is about in a person's words, and what its failure means."""
    arguments: dict[str, Any] = {
        "meta": {
            "subject": subject,
            "expected": expected,
            "severity": severity,
        },
        # What the page says of it.
        "description": f"{subject}: {expected}; if not, {_CONSEQUENCES[severity]}",
        "severity": "critical" if severity == "fatal" else "warning",
    }
    return arguments if condition is None else {**arguments, "row_condition": condition}


def _rows(result: Any) -> list[int]:
    """Row numbers of the pictures that are not as expected."""
    return [int(unexpected["row"]) for unexpected in result.result.get("unexpected_index_list") or []]


def _line(result: Any) -> dict[str, Any]:
    config, found = result.expectation_config, result.result
    if not found:
        # Great Expectations keeps an exception to itself, and data that nobody looked at would pass for bad or good.
        raise RuntimeError(f"{config.type} of {config.meta['subject']!r} did not run: {result.exception_info}")
    rows = _rows(result)
    if "observed_value" in found:
        observed = found["observed_value"]
        if isinstance(observed, list):
            text = f"{len(observed)} columns" if result.success else ", ".join(map(str, observed))
        else:
            text = f"{observed:,}"
    else:
        text = f"{int(found['unexpected_count']):,} of {int(found['element_count']):,}"
        if rows:
            more = ", ..." if len(rows) > _ROWS_SHOWN else ""
            text += f" (row{'s'[: len(rows) > 1]} {', '.join(map(str, sorted(rows)[:_ROWS_SHOWN]))}{more})"
    return {
        "expectation": config.type,
        "subject": config.meta["subject"],
        "severity": config.meta["severity"],
        "passed": bool(result.success),
        "observed": text,
        "expected": config.meta["expected"],
        "unexpected": len(rows),
    }


def _summary(table: pd.DataFrame, quarantine: list[tuple[int, str]]) -> str:
    failed = table[~table["passed"]]["severity"].value_counts()
    fit = "Not fit to train on" if failed.get("fatal", 0) else "Fit to train on"
    return (
        f"{fit}: {failed.get('fatal', 0)} of {(table['severity'] == 'fatal').sum()} fatal expectations failed, "
        f"{len({row for row, _ in quarantine}):,} pictures were put aside, {failed.get('warning', 0)} expectations "
        "give a warning. Great Expectations calls the suite failed where any of these is not zero."
    )
