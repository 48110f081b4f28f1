// Which model answers, its card in a dialog, and what can be chosen of it.

import * as api from "./api.js";
import { inText } from "./classes.js";

const at = (id) => document.getElementById(id);
// What these are known by; a target with a name of its own is called by that.
const TITLES = new Map([["fer", "FER"], ["ferplus", "FER+"]]);
// Refusals of a model that has taken over and does not know what was chosen of the one before.
const OUTDATED = new Set(["no_such_target", "no_such_model", "no_such_emotion"]);
let about = null;
let named = "";
let shown = "";

export const title = ({ name, version }) => `${name} ${/^\d+$/.test(version) ? `version ${version}` : version}`;

export const isOutdated = (error) => OUTDATED.has(error.code);

// What is chosen, as parameters of a question.
export function settings() {
  return Object.fromEntries(new FormData(at("settings")));
}

// Ask with what is chosen; a model that does not know it is asked once more, with what it knows.
export async function withSettings(question) {
  try {
    return await question(settings());
  } catch (error) {
    if (!isOutdated(error)) throw error;
    await loadModel();
    return question(settings());
  }
}

// Every answer names its model: where another one has taken over, there are other things to choose.
export async function follow(model) {
  if (named === title(model)) return;
  nameModel(model);
  try {
    await loadModel();
  } catch {
    // The next answer tries again.
    named = "";
  }
}

export async function loadModel() {
  about = await api.model();
  nameModel(about);
  offerTargets();
  offerModels();
  return about;
}

function nameModel(model) {
  named = title(model);
  at("model").disabled = false;
  at("model-name").textContent = named;
}

// One target is no choice.
function offerTargets() {
  const names = Object.keys(about.targets);
  const before = settings().target;
  const chosen = names.includes(before) ? before : names[0];
  at("targets").hidden = names.length < 2;
  at("target-list").replaceChildren(...names.map((name) => newTarget(name, about.targets[name].classes, name === chosen)));
}

// Those that no target has are left out, those that this one lacks are greyed.
export function offerModels() {
  if (!about) return;
  const { target } = settings();
  const inputs = [...document.querySelectorAll('#settings input[name="model"]')];
  const offered = new Set(Object.values(about.targets).flatMap(({ models }) => models));
  for (const input of inputs) {
    input.closest("label").hidden = !offered.has(input.value);
    input.disabled = !about.targets[target].models.includes(input.value);
  }
  if (!inputs.some((input) => input.checked && !input.disabled)) inputs.find((input) => !input.disabled).checked = true;
  at("models").hidden = inputs.filter((input) => !input.disabled).length < 2;
}

function newTarget(name, classes, checked) {
  const label = Object.assign(document.createElement("label"), { title: classes.join(", ") });
  const input = Object.assign(document.createElement("input"), { type: "radio", name: "target", value: name, checked });
  input.className = "quiet";
  const text = `${TITLES.get(name) ?? name} ${classes.length}`;
  label.append(input, Object.assign(document.createElement("span"), { textContent: text }));
  return label;
}

async function fillCard() {
  await loadModel();
  if (shown === `${about.name} ${about.version} ${about.loaded_at}`) return;
  const members = Object.values(about.targets)[0]?.members ?? {};
  const { size, colour } = about.input;
  const facts = {
    Model: title(about),
    Alias: about.alias,
    Vote: Object.entries(members).map(([name, weight]) => `${name} (${Math.round(weight * 100)} %)`).join(", "),
    Sees: `faces of ${size} × ${size} pixels, ${colour ? "in colour" : "in grey"}`,
    Answers: Object.entries(about.targets).map(([name, each]) => `${name}: ${each.classes.map(inText).join(", ")}`).join("; "),
    Loaded: new Date(about.loaded_at).toLocaleString(),
  };
  at("card-facts").replaceChildren(
    ...Object.entries(facts).filter(([, fact]) => fact).flatMap(([name, fact]) => [term("dt", name), term("dd", fact)]),
  );
  // The service turns Markdown into HTML and lets no HTML of the card through.
  at("card-text").innerHTML = await api.card();
  shown = `${about.name} ${about.version} ${about.loaded_at}`;
}

function term(kind, text) {
  return Object.assign(document.createElement(kind), { textContent: text });
}

export function openable(onFailure) {
  const dialog = at("card");
  at("model").addEventListener("click", async () => {
    try {
      await fillCard();
      dialog.showModal();
      at("card-text").scrollTop = 0;
    } catch (error) {
      onFailure(error);
    }
  });
  at("card-close").addEventListener("click", () => dialog.close());
  // A click beside the card.
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}
