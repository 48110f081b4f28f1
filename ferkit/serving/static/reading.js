// What the service said: the list of faces, and every probability of the one that is chosen.

import { percent, said, sameNames, variable } from "./classes.js";

const at = (id) => document.getElementById(id);
// Classes of which each gets a row as high as a line of text needs, and no more.
const MANY = 10;

export class Reading {
  constructor(onSelect) {
    this.onSelect = onSelect;
    this.rows = new Map();
    at("face-list").addEventListener("change", (event) => onSelect(Number(event.target.value)));
  }

  // `crop(face, canvas)` draws a face of the picture onto a small canvas.
  show(faces, selected, classes, crop) {
    at("waiting").hidden = true;
    at("face").hidden = !faces.length;
    this.showList(faces, selected, crop);
    if (!faces.length) return;
    const face = faces[selected];
    at("face-emotion").textContent = said(face);
    at("face-emotion").style.setProperty("--hue", variable(face.emotion));
    const place = faces.length > 1 ? `Face ${selected + 1} of ${faces.length}` : "The only face";
    at("face-place").textContent = `${place} · ${face.box[2]} × ${face.box[3]} pixels`;
    crop(face, at("thumb"));
    this.showBars(face, classes);
    this.offerClasses(face, classes);
  }

  clear() {
    at("waiting").hidden = false;
    at("face").hidden = true;
    at("faces").hidden = true;
  }

  showList(faces, selected, crop) {
    const list = at("face-list");
    at("faces").hidden = faces.length < 2;
    while (list.children.length > faces.length) list.lastElementChild.remove();
    while (list.children.length < faces.length) list.append(newChoice(list.children.length));
    faces.forEach((face, index) => {
      const choice = list.children[index];
      choice.querySelector("input").checked = index === selected;
      const name = choice.querySelector("span");
      name.textContent = name.title = face.emotion;
      choice.style.setProperty("--hue", variable(face.emotion));
      if (faces.length > 1) crop(face, choice.querySelector("canvas"));
    });
  }

  showBars(face, classes) {
    const list = at("bars");
    if (!sameNames([...this.rows.keys()], classes)) {
      this.rows = new Map(classes.map((name) => [name, newBar(name)]));
      list.replaceChildren(...this.rows.values());
      list.classList.toggle("bars-many", classes.length > MANY);
      // What can be scrolled can be reached with the keyboard.
      list.tabIndex = list.scrollHeight > list.clientHeight ? 0 : -1;
    }
    for (const [name, row] of this.rows) {
      const share = face.probabilities[name];
      row.classList.toggle("bar-most", name === face.emotion);
      row.style.setProperty("--share", share.toFixed(4));
      row.querySelector(".bar-number").textContent = percent(share);
    }
  }

  offerClasses(face, classes) {
    const choice = at("explain-emotion");
    if (!sameNames([...choice.options].map((option) => option.value), classes)) {
      choice.replaceChildren(...classes.map((name) => new Option(name, name)));
    }
    if (choice.dataset.said !== face.emotion && document.activeElement !== choice) choice.value = face.emotion;
    choice.dataset.said = face.emotion;
  }
}

function newChoice(index) {
  const label = document.createElement("label");
  label.className = "face-choice";
  const input = Object.assign(document.createElement("input"), { type: "radio", name: "face", value: index });
  input.className = "quiet";
  const canvas = Object.assign(document.createElement("canvas"), { width: 96, height: 96 });
  canvas.setAttribute("aria-hidden", "true");
  label.append(input, canvas, document.createElement("span"));
  return label;
}

function newBar(name) {
  const row = document.createElement("li");
  row.className = "bar";
  row.style.setProperty("--hue", variable(name));
  for (const [kind, text] of [["bar-name", name], ["bar-track", ""], ["bar-number", ""]]) {
    const part = Object.assign(document.createElement("span"), { className: kind, textContent: text });
    row.append(part);
  }
  Object.assign(row.firstElementChild, { title: name, dir: "auto" });
  return row;
}

// Say it once, not with every frame.
export function tell(text) {
  if (at("status").textContent !== text) at("status").textContent = text;
}

export function summary(faces) {
  if (!faces.length) return "No face was found. A face has to be at least about 20 pixels wide and look at the camera.";
  const first = said(faces[0]);
  return faces.length === 1 ? `One face: ${first}.` : `${faces.length} faces. The largest: ${first}.`;
}
