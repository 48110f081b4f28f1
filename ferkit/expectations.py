"""The expectations themselves, as a Great Expectations suite."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from ferkit.data_docs import render
from ferkit.dataset import SIZE
from ferkit.facts import FACTS
from ferkit.labels import FER_EMOTIONS, SPLITS

if TYPE_CHECKING:
    from ferkit.validation import ValidationSettings

__all__ = ["Outcome", "check"]

_TRAINING, _EVALUATION = 'split == "Training"', 'split != "Training"'
_TAGGERS = 10


@dataclass(frozen=True)
class Outcome:
    """What came of the suite.

    Attributes
    ----------
    table
        One line an expectation, see `ferkit.validation.ValidationResult`.
    quarantine
        Row and reason of each picture that is to be put aside.
    data_docs
        The page.
    """

    table: pd.DataFrame
    quarantine: list[tuple[int, str]]
    data_docs: str


def check(facts: pd.DataFrame, settings: "ValidationSettings", *, with_votes: bool) -> Outcome:
    """Hold `facts` (see `ferkit.facts.facts`) to the suite."""
    # It would report its use over the network, and is read when the package is imported.
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batches = context.data_sources.add_pandas("faces").add_dataframe_asset("pictures")
    suite = context.suites.add(gx.ExpectationSuite(name="faces"))
    for expectation in (*_fatal(settings, with_votes=with_votes), *_single_rows(settings)):
        suite.add_expectation(expectation)
    definition = gx.ValidationDefinition(
        name="faces", data=batches.add_batch_definition_whole_dataframe("all"), suite=suite
    )
    result = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": facts},
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["row"]},
    )
    table = pd.DataFrame([_line(each) for each in result.results])
    quarantine = [
        (int(unexpected["row"]), str(each.expectation_config.meta["subject"]))
        for each in result.results
        if each.expectation_config.meta["severity"] == "quarantine"
        for unexpected in each.result.get("unexpected_index_list") or []
    ]
    return Outcome(table, quarantine, render(result))


def _fatal(settings: "ValidationSettings", *, with_votes: bool) -> Iterator[Any]:
    """What no model may be trained without."""
    import great_expectations.expectations as gxe

    def about(subject: str, expected: str, condition: str = "") -> dict[str, Any]:
        return _about(subject, expected, "fatal", condition)

    yield gxe.ExpectTableColumnsToMatchOrderedList(
        column_list=list(FACTS), **about("columns", "the schema of a FaceDataset")
    )
    yield gxe.ExpectColumnValuesToBeUnique(column="row", **about("row numbers", "each to occur once"))
    yield gxe.ExpectColumnDistinctValuesToEqualSet(
        column="split", value_set=list(SPLITS), **about("splits", f"pictures in each of {', '.join(SPLITS)}")
    )
    last = len(FER_EMOTIONS) - 1
    yield gxe.ExpectColumnValuesToBeBetween(
        column="label", min_value=0, max_value=last, **about("labels", f"numbers 0..{last}")
    )
    yield gxe.ExpectColumnValuesToBeBetween(
        column="pixels", min_value=SIZE**2, max_value=SIZE**2, **about("pixels", f"{SIZE**2:,} in each picture")
    )
    yield gxe.ExpectColumnValuesToBeBetween(
        column="darkest", min_value=0, max_value=255, **about("darkest pixel", "0..255")
    )
    yield gxe.ExpectColumnValuesToBeBetween(
        column="brightest", min_value=0, max_value=255, **about("brightest pixel", "0..255")
    )
    yield gxe.ExpectColumnDistinctValuesToContainSet(
        column="emotion",
        value_set=list(FER_EMOTIONS),
        **about("emotions in Training", f"each of {', '.join(FER_EMOTIONS)}", _TRAINING),
    )
    for column, least, subject, condition in (
        ("class_pictures", settings.minimum_class, "Training pictures of an emotion", _TRAINING),
        ("split_pictures", settings.minimum_training, "Training pictures", _TRAINING),
        ("split_pictures", settings.minimum_evaluation, "PublicTest and PrivateTest pictures", _EVALUATION),
    ):
        yield gxe.ExpectColumnMinToBeBetween(
            column=column, min_value=least, **about(subject, f"at least {least:,}", condition)
        )
    bounds: tuple[tuple[str, int | None, int | None, float, str], ...] = (
        ("spread", 1, None, settings.maximum_constant, "constant pictures"),
        ("copies_in_split", None, 0, settings.maximum_copies, "pictures with a copy in their split"),
        ("copies_in_other_splits", None, 0, settings.maximum_copies, "pictures with a copy in another split"),
    )
    for column, low, high, share, subject in bounds:
        yield gxe.ExpectColumnValuesToBeBetween(
            column=column,
            min_value=low,
            max_value=high,
            mostly=1 - share,
            **about(subject, f"at most {share:.1%} of all"),
        )
    if with_votes:
        yield gxe.ExpectColumnValuesToBeBetween(
            column="votes", min_value=1, max_value=_TAGGERS, **about("FER+ votes of a picture", f"1..{_TAGGERS}")
        )
        yield gxe.ExpectColumnValuesToBeInSet(
            column="ferplus_agrees",
            value_set=[True],
            mostly=settings.minimum_agreement,
            **about(
                "FER+ majority that is not the FER label",
                f"at most {1 - settings.minimum_agreement:.1%} of all, or the two files are not in the same order",
            ),
        )


def _single_rows(settings: "ValidationSettings") -> Iterator[Any]:
    """What single rows are put aside for, or warned of."""
    import great_expectations.expectations as gxe

    for column, least, most, subject, setting in (
        ("spread", 1, None, "one grey level throughout", settings.constant),
        ("copies_in_split", None, 0, "exact copy in the same split", settings.copies_in_training),
        ("copies_in_other_splits", None, 0, "exact copy in another split", settings.copies_across_splits),
        ("labels_of_copies", None, 1, "exact copies with other labels", settings.conflicting_labels),
    ):
        for name, condition in (("Training", _TRAINING), ("PublicTest and PrivateTest", _EVALUATION)):
            severity = "quarantine" if setting == "quarantine" and condition == _TRAINING else "warning"
            yield gxe.ExpectColumnValuesToBeBetween(
                column=column,
                min_value=least,
                max_value=most,
                **_about(subject, f"no such picture in {name}", severity, condition),
            )


def _about(subject: str, expected: str, severity: str, condition: str = "") -> dict[str, Any]:
    """Arguments that every expectation has: what it is about in a person's words, and what its failure means."""
    arguments: dict[str, Any] = {
        "meta": {"subject": subject, "expected": expected, "severity": severity},
        "notes": f"{severity}: {subject}, expected {expected}",
        "severity": "critical" if severity == "fatal" else "warning",
    }
    return {**arguments, "row_condition": condition, "condition_parser": "pandas"} if condition else arguments


def _line(result: Any) -> dict[str, Any]:
    config, found = result.expectation_config, result.result
    unexpected = int(found.get("unexpected_count") or 0)
    if missing := found.get("partial_missing_list"):
        text = f"none of {', '.join(map(str, missing))}"
    elif "observed_value" in found:
        observed = found["observed_value"]
        text = (
            ", ".join(map(str, observed))
            if isinstance(observed, list)
            else "none"
            if observed is None
            else str(observed)
        )
    else:
        text = f"{unexpected:,} of {int(found.get('element_count') or 0):,}"
    return {
        "expectation": config.type,
        "subject": config.meta["subject"],
        "severity": config.meta["severity"],
        "passed": bool(result.success),
        "observed": text,
        "expected": config.meta["expected"],
        "unexpected": unexpected,
    }
