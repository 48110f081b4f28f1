// What the stream saw, kept in this tab alone: rows for the CSV, and the last minute as lines.

import { colour, percent, sameNames, token, variable } from "./classes.js";

// Of the axis of time, which grows with what there is to show.
const SHORTEST = 15_000;
const MINUTE = 60_000;
// About two hours at five frames a second.
const MOST_ROWS = 40_000;
const GAP = 2_000;
// Of the axis of probabilities: of twenty classes none may come near to certainty.
const TOPS = [0.2, 0.5, 1];
const MARGIN = { left: 48, right: 10, top: 8, bottom: 20 };

export class History {
  constructor(canvas, legend) {
    this.canvas = canvas;
    this.legend = legend;
    this.clear();
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  clear() {
    this.rows = [];
    this.points = [];
    this.paused = false;
    this.classes = [];
    this.legend.replaceChildren();
  }

  // What comes next is not joined to what was.
  pause() {
    this.paused = true;
  }

  // `faces` as the service told them go into the CSV, `shown` into the chart.
  add(time, faces, shown, classes) {
    if (!sameNames(classes, this.classes)) {
      this.clear();
      this.classes = classes;
      this.legend.replaceChildren(...classes.map(entry));
    }
    faces.forEach((face, index) => this.rows.push({ time, index, face }));
    if (this.rows.length > MOST_ROWS) this.rows.splice(0, this.rows.length - MOST_ROWS);
    if (shown.length) {
      this.points.push({ time, probabilities: shown[0].probabilities, joined: !this.paused });
      this.paused = false;
    }
    while (this.points.length && this.points[0].time < time - MINUTE - GAP) this.points.shift();
    this.draw();
  }

  get csv() {
    const header = ["time", "face", "x", "y", "width", "height", "score", "emotion", ...this.classes.map(cell)];
    const lines = this.rows.map(({ time, index, face }) =>
      [
        new Date(time).toISOString(), index, ...face.box, face.score, cell(face.emotion),
        ...this.classes.map((name) => face.probabilities[name]),
      ].join(),
    );
    return `${[header.join(), ...lines].join("\r\n")}\r\n`;
  }

  draw() {
    const { canvas, points } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width) return;
    const density = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    const context = canvas.getContext("2d");
    context.scale(density, density);
    const end = points.at(-1)?.time ?? 0;
    const inner = [width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom];
    const span = Math.min(MINUTE, Math.max(SHORTEST, end - (points[0]?.time ?? end)));
    const x = (time) => MARGIN.left + inner[0] * (1 - (end - time) / span);
    const largest = Math.max(0, ...points.flatMap(({ probabilities }) => Object.values(probabilities)));
    const top = TOPS.find((each) => largest <= each) ?? 1;
    const y = (share) => MARGIN.top + inner[1] * (1 - share / top);
    drawAxes(context, x, y, top, end, span, width);
    context.lineJoin = "round";
    context.save();
    context.beginPath();
    context.rect(MARGIN.left, 0, inner[0], height);
    context.clip();
    for (const name of this.classes) {
      context.strokeStyle = colour(name);
      context.lineWidth = 2;
      context.beginPath();
      points.forEach(({ time, probabilities, joined }, index) => {
        const together = joined && index > 0 && time - points[index - 1].time < GAP;
        context[together ? "lineTo" : "moveTo"](x(time), y(probabilities[name]));
      });
      context.stroke();
    }
    context.restore();
    this.say();
  }

  say() {
    const last = this.points.at(-1);
    if (!last) return;
    for (const item of this.legend.children) {
      item.querySelector("b").textContent = percent(last.probabilities[item.dataset.name]);
    }
  }
}

function drawAxes(context, x, y, top, end, span, width) {
  context.font = "11px system-ui, sans-serif";
  context.fillStyle = token("--faint");
  context.strokeStyle = token("--line");
  context.lineWidth = 1;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const share of [0, top / 2, top]) {
    const line = Math.round(y(share)) + 0.5;
    context.beginPath();
    context.moveTo(MARGIN.left, line);
    context.lineTo(width - MARGIN.right, line);
    context.stroke();
    context.fillText(`${Math.round(share * 100)} %`, MARGIN.left - 6, line);
  }
  for (const [share, align] of [[1, "left"], [0.5, "center"], [0, "right"]]) {
    context.textAlign = align;
    const text = share ? `${Math.round((share * span) / 1000)} s ago` : "now";
    context.fillText(text, x(end - share * span), y(0) + 12);
  }
}

function entry(name) {
  const item = document.createElement("li");
  item.dataset.name = name;
  item.style.setProperty("--hue", variable(name));
  const text = Object.assign(document.createElement("bdi"), { textContent: name });
  item.append(text, " ", document.createElement("b"));
  return item;
}

// RFC 4180: a name may hold what divides cells.
function cell(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
