// Which model answers, and its card in a dialog.

import * as api from "./api.js";

const at = (id) => document.getElementById(id);
let shown = "";

export const title = ({ name, version }) => `${name} ${/^\d+$/.test(version) ? `version ${version}` : version}`;

export function nameModel(model) {
  at("model").disabled = false;
  at("model-name").textContent = title(model);
}

// The settings that this model cannot answer are greyed.
export async function loadModel() {
  const about = await api.model();
  nameModel(about);
  for (const input of document.querySelectorAll('#settings input[name="target"]')) {
    input.disabled = !(input.value in about.targets);
  }
  for (const input of document.querySelectorAll('#settings input[name="model"]')) {
    input.disabled = !about.models.includes(input.value);
  }
  for (const name of ["target", "model"]) {
    const chosen = document.querySelector(`#settings input[name="${name}"]:checked`);
    if (chosen.disabled) document.querySelector(`#settings input[name="${name}"]:not(:disabled)`).checked = true;
  }
  return about;
}

async function fillCard() {
  const about = await loadModel();
  if (shown === `${about.name} ${about.version} ${about.loaded_at}`) return;
  const members = Object.values(about.targets)[0]?.members ?? {};
  const facts = {
    Model: title(about),
    Alias: about.alias,
    Vote: Object.entries(members).map(([name, weight]) => `${name} (${Math.round(weight * 100)} %)`).join(", "),
    Answers: Object.entries(about.targets).map(([name, each]) => `${name}, ${each.classes.length} emotions`).join("; "),
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
