// What the service said: the list of faces, and every probability of the one that is chosen.

import { percent, variable } from "./emotions.js";

const at = (id) => document.getElementById(id);

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
    at("face-emotion").textContent = `${face.emotion}, ${percent(face.probabilities[face.emotion])}`;
    at("face-emotion").style.setProperty("--hue", variable(face.emotion));
    const place = faces.length > 1 ? `Face ${selected + 1} of ${faces.length}` : "The only face";
    at("face-place").textContent = `${place} · ${face.box[2]} × ${face.box[3]} pixels`;
    crop(face, at("thumb"));
    this.showBars(face, classes);
    this.offerEmotions(face, classes);
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
      choice.querySelector("span").textContent = face.emotion;
      choice.style.setProperty("--hue", variable(face.emotion));
      if (faces.length > 1) crop(face, choice.querySelector("canvas"));
    });
  }

  showBars(face, classes) {
    const list = at("bars");
    if ([...this.rows.keys()].join() !== classes.join()) {
      this.rows = new Map(classes.map((emotion) => [emotion, newBar(emotion)]));
      list.replaceChildren(...this.rows.values());
    }
    for (const [emotion, row] of this.rows) {
      const share = face.probabilities[emotion];
      row.classList.toggle("bar-most", emotion === face.emotion);
      row.style.setProperty("--share", share.toFixed(4));
      row.querySelector(".bar-number").textContent = percent(share);
    }
  }

  offerEmotions(face, classes) {
    const choice = at("explain-emotion");
    if ([...choice.options].map((option) => option.value).join() !== classes.join()) {
      choice.replaceChildren(...classes.map((emotion) => new Option(emotion, emotion)));
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

function newBar(emotion) {
  const row = document.createElement("li");
  row.className = "bar";
  row.style.setProperty("--hue", variable(emotion));
  for (const [kind, text] of [["bar-name", emotion], ["bar-track", ""], ["bar-number", ""]]) {
    const part = Object.assign(document.createElement("span"), { className: kind, textContent: text });
    row.append(part);
  }
  return row;
}

// Say it once, not with every frame.
export function tell(text) {
  if (at("status").textContent !== text) at("status").textContent = text;
}

export function summary(faces) {
  if (!faces.length) return "No face was found. A face has to be at least about 20 pixels wide and look at the camera.";
  const first = faces[0];
  const said = `${first.emotion}, ${percent(first.probabilities[first.emotion])}`;
  return faces.length === 1 ? `One face: ${said}.` : `${faces.length} faces. The largest: ${said}.`;
}
