// The picture, or the webcam's stream, with a box around every face.

import { colour, inText, percent } from "./classes.js";
import { heatPicture } from "./heat.js";

const MOST_ENLARGED = 10;
const FONT = "600 13px system-ui, sans-serif";
// In pixels of the page: a longer name is cut short, the whole of it stands beside the picture.
const WIDEST_LABEL = 260;

export class Stage {
  constructor(frame, canvas, onSelect) {
    this.frame = frame;
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.source = null;
    this.faces = [];
    this.selected = 0;
    this.heat = null;
    new ResizeObserver(() => this.draw()).observe(frame);
    canvas.addEventListener("click", (event) => {
      const hit = this.faceAt(event);
      if (hit >= 0) onSelect(hit);
    });
    canvas.addEventListener("pointermove", (event) => {
      canvas.classList.toggle("over-face", this.faceAt(event) >= 0);
    });
  }

  // `source`: what can be drawn; null where the browser cannot show what the service can read.
  show(source, width, height, { mirrored = false } = {}) {
    Object.assign(this, { source, width, height, mirrored, faces: [], selected: 0, heat: null });
    this.frame.classList.remove("stage-empty");
    this.canvas.hidden = false;
    this.draw();
  }

  clear() {
    this.source = null;
    this.width = 0;
    this.canvas.hidden = true;
    this.frame.classList.add("stage-empty");
  }

  setFaces(faces, selected) {
    Object.assign(this, { faces, selected });
    this.canvas.setAttribute("aria-label", describe(faces));
    this.draw();
  }

  setHeat(explanation) {
    this.heat = explanation && { picture: heatPicture(explanation.heatmap), ...explanation };
    this.draw();
  }

  // From pixels of the picture to those of the page.
  get scale() {
    const room = Number.parseFloat(getComputedStyle(this.frame).getPropertyValue("--most-height"));
    const tallest = (window.innerHeight * (room || 70)) / 100;
    return Math.min(this.frame.clientWidth / this.width, tallest / this.height, MOST_ENLARGED);
  }

  draw() {
    if (!this.width) return;
    const { canvas, context, scale } = this;
    const density = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(this.width * scale), Math.round(this.height * scale)];
    if (canvas.width !== Math.round(width * density) || canvas.height !== Math.round(height * density)) {
      canvas.width = Math.round(width * density);
      canvas.height = Math.round(height * density);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, width, height);
    context.imageSmoothingQuality = "high";
    this.drawSource(width, height);
    if (this.heat) this.drawHeat(scale);
    const order = [...this.faces.keys()].filter((index) => index !== this.selected).reverse();
    for (const index of order) this.drawFace(index, scale, width, height);
    if (this.faces[this.selected]) this.drawFace(this.selected, scale, width, height);
  }

  drawSource(width, height) {
    const { context } = this;
    if (!this.source) {
      context.fillStyle = "#8886";
      context.fillRect(0, 0, width, height);
      return;
    }
    context.save();
    if (this.mirrored) {
      context.translate(width, 0);
      context.scale(-1, 1);
    }
    context.drawImage(this.source, 0, 0, width, height);
    context.restore();
  }

  drawHeat(scale) {
    const { context, heat } = this;
    const [x, y, width, height] = heat.crop_box.map((value) => value * scale);
    context.save();
    context.translate(x + width / 2, y + height / 2);
    context.rotate(((heat.crop_roll ?? 0) * Math.PI) / 180);
    context.drawImage(heat.picture, -width / 2, -height / 2, width, height);
    context.restore();
  }

  drawFace(index, scale, stageWidth, stageHeight) {
    const { context } = this;
    const face = this.faces[index];
    const chosen = index === this.selected;
    const [x, y, width, height] = face.box.map((value) => value * scale);
    const hue = colour(face.emotion);
    // A dark line below keeps the box visible on any picture.
    for (const [line, stroke] of [[chosen ? 5 : 3.5, "#000a"], [chosen ? 3 : 1.5, hue]]) {
      context.lineWidth = line;
      context.strokeStyle = stroke;
      context.beginPath();
      context.roundRect(x, y, width, height, Math.min(6, width / 6));
      context.stroke();
    }
    if (!chosen && width < 72) return;
    context.font = FONT;
    const most = Math.min(WIDEST_LABEL, stageWidth) - 14;
    const text = label(context, face.emotion, percent(face.probabilities[face.emotion]), most);
    const wide = context.measureText(text).width + 14;
    const left = Math.max(0, Math.min(x - 1, stageWidth - wide));
    const above = y - 25 >= 0 ? y - 25 : y + 3;
    const top = Math.max(0, Math.min(above, stageHeight - 22));
    context.fillStyle = chosen ? hue : "#111c";
    context.beginPath();
    context.roundRect(left, top, wide, 22, 5);
    context.fill();
    context.fillStyle = chosen ? "#0d0f10" : "#ffffff";
    context.textBaseline = "middle";
    context.fillText(text, left + 7, top + 11.5);
  }

  // A face with a little of what is around it, as a square.
  cropOnto(face, canvas) {
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (!this.source) return;
    const [x, y, width, height] = face.box;
    const side = 1.15 * Math.max(width, height);
    const left = x + width / 2 - side / 2;
    const ratio = (this.source.videoWidth ?? this.source.width) / this.width;
    context.save();
    if (this.mirrored) {
      context.translate(canvas.width, 0);
      context.scale(-1, 1);
    }
    const start = this.mirrored ? this.width - left - side : left;
    context.drawImage(
      this.source, start * ratio, (y + height / 2 - side / 2) * ratio, side * ratio, side * ratio,
      0, 0, canvas.width, canvas.height,
    );
    context.restore();
  }

  faceAt(event) {
    const edge = this.canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - edge.left) / this.scale, (event.clientY - edge.top) / this.scale];
    let found = -1;
    // The smallest that holds the point: it lies on top.
    this.faces.forEach(({ box: [left, top, width, height] }, index) => {
      if (x >= left && y >= top && x <= left + width && y <= top + height) found = index;
    });
    return found;
  }
}

function describe(faces) {
  if (!faces.length) return "The picture; no face was found";
  const names = faces.slice(0, 5).map((face) => inText(face.emotion)).join(", ");
  return `The picture with ${faces.length === 1 ? "one face" : `${faces.length} faces`}: ${names}`;
}

// A name and a number of at most `most` pixels; the name gives way.
function label(context, name, number, most) {
  const letters = [...name.replace(/\s+/g, " ")];
  const cut = (count) => (count < letters.length ? `${letters.slice(0, count).join("").trim()}…` : letters.join(""));
  const text = (count) => `${inText(cut(count))} ${number}`;
  let count = letters.length;
  while (count > 1 && context.measureText(text(count)).width > most) count -= 1;
  return text(count);
}
