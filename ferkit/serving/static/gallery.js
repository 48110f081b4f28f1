// Several pictures that came at once, to choose from: one is shown and read at a time.

const at = (id) => document.getElementById(id);

export class Gallery {
  constructor(onChoice) {
    this.onChoice = onChoice;
    this.files = [];
    at("gallery-list").addEventListener("change", (event) => onChoice(this.files[Number(event.target.value)]));
  }

  // The first is chosen; a single one needs no list.
  show(files) {
    this.files = files;
    at("gallery").hidden = files.length < 2;
    at("gallery-list").replaceChildren(...files.map(newChoice));
    return this.onChoice(files[0]);
  }

  clear() {
    this.files = [];
    at("gallery").hidden = true;
  }
}

function newChoice(file, index) {
  const label = Object.assign(document.createElement("label"), { className: "gallery-choice" });
  const input = Object.assign(document.createElement("input"), { type: "radio", name: "picture", value: index });
  input.className = "quiet";
  input.checked = index === 0;
  const name = Object.assign(document.createElement("span"), { textContent: file.name });
  label.append(input, name);
  return label;
}
