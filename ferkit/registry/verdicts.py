"""Writes a verdict of the gate to MLflow: tags of the version, and a page and metrics in the run that made it."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ferkit.promotion.gate import Verdict
from ferkit.registry.client import registry_client, registry_errors
from ferkit.registry.metric_names import accepted_name

if TYPE_CHECKING:
    from ferkit.registry.history import Entry
    from ferkit.registry.models import RegisteredModel

__all__ = ["log_verdict", "verdict_page"]


def log_verdict(
    challenger: "RegisteredModel", champion: str | None, verdict: Verdict, entry: "Entry | None", who: str
) -> None:
    """Write a verdict and what came of it to the registry and to the challenger's run.

    Parameters
    ----------
    champion
        Version that the challenger was compared with; None if there was none.
    verdict
        Checks and numbers of the gate.
    entry
        The new entry of the history, if the challenger was promoted.
    """
    client = registry_client()
    when = datetime.now(UTC)
    decision = {"promote": "promoted", "force": "forced", "rollback": "promoted"}[entry.action] if entry else "refused"
    about = {
        "verdict": decision,
        "verdict_reasons": "\n".join(verdict.reasons),
        "judged_by": who,
        "judged_at": when.isoformat(timespec="seconds"),
        "judged_against": champion or "none",
    }
    if entry and entry.action == "force":
        about["forced_because"] = entry.reason
    with registry_errors(f"verdict on {challenger.name} version {challenger.version}"):
        for key, value in about.items():
            client.set_model_version_tag(challenger.name, challenger.version, f"ferkit.{key}", value)
        if challenger.run_id is None:
            return
        folder = f"promotion/{challenger.name}-{challenger.version}-{when:%Y%m%dT%H%M%S}"
        content = {**about, "numbers": verdict.metrics(), "checks": [asdict(check) for check in verdict.checks]}
        page = verdict_page(verdict, f"{challenger.name} version {challenger.version}: {decision}")
        client.log_text(challenger.run_id, page, f"{folder}/verdict.md")
        client.log_text(challenger.run_id, json.dumps(content, indent=2), f"{folder}/verdict.json")
        for name, number in verdict.metrics().items():
            client.log_metric(challenger.run_id, accepted_name(f"promotion/{name}"), number)


def verdict_page(verdict: Verdict, title: str) -> str:
    """Every check and both models' numbers, as Markdown."""
    checks = [f"- {each.result if each.passed else f'**{each.result}**'}: {each.reason}" for each in verdict.checks]
    champion = verdict.champion.numbers() if verdict.champion else {}
    rows = [
        f"| {name} | {value:.4f} | {f'{champion[name]:.4f}' if name in champion else '-'} |"
        for name, value in verdict.challenger.numbers().items()
    ]
    other = verdict.champion.name if verdict.champion else "no champion"
    table = [f"| {verdict.challenger.subset} | challenger | champion |", "| --- | ---: | ---: |", *rows]
    about = f"Challenger: {verdict.challenger.name}; champion: {other}."
    return "\n".join([f"# {title}", "", about, "", *checks, "", *table, ""])
