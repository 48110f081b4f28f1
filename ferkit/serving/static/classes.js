// The classes of whatever model answers: one colour for each everywhere on the page, and how their names are written.

// Emotions have colours of their own, in whatever words (as in ferkit/data/class_names.py).
const EMOTIONS = new Map(
  ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt"].map((name) => [name, name]),
);
const SYNONYMS = {
  anger: "angry", disgusted: "disgust", fearful: "fear", afraid: "fear", happiness: "happy", sadness: "sad",
  surprised: "surprise", contemptuous: "contempt",
};
for (const [name, emotion] of Object.entries(SYNONYMS)) EMOTIONS.set(name, emotion);
// In degrees of OKLCH, about what base.css says; neutral is grey and has none.
const HUES = { angry: 31, disgust: 122, fear: 294, happy: 79, sad: 256, surprise: 187, contempt: 352 };
// Other classes go round the circle by the golden angle, so that neighbours differ, and keep away from the emotions'.
const FIRST_HUE = 205;
const GOLDEN_ANGLE = 137.508;
const LEAST_DISTANCE = 14;
// Two shades by turns, see base.css: hues alone do not tell twenty classes apart.
const SHADES = ["--class-first", "--class-second"];
// Arabic, Hebrew and their kin are written from the right.
const FROM_THE_RIGHT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;
const style = getComputedStyle(document.documentElement);
let painted = [];
let paints = new Map();

const emotionOf = (name) => EMOTIONS.get(name.trim().toLowerCase().replace(/^[0-9]+[ _.-]+/, ""));
const distance = (one, other) => Math.abs(((one - other + 540) % 360) - 180);

// Give each class its colour; what comes after asks for them by name.
export function paint(classes) {
  if (sameNames(classes, painted)) return;
  const taken = classes.map((name) => HUES[emotionOf(name)]).filter((hue) => hue !== undefined);
  let turn = 0;
  const next = () => {
    for (;;) {
      const hue = (FIRST_HUE + GOLDEN_ANGLE * turn++) % 360;
      if (taken.every((each) => distance(each, hue) >= LEAST_DISTANCE)) return hue;
    }
  };
  paints = new Map();
  for (const name of classes) {
    const emotion = emotionOf(name);
    paints.set(name, emotion ? { emotion } : { shade: SHADES[turn % SHADES.length], hue: next().toFixed(1) });
  }
  painted = classes;
}

// The colour of a class; `read` gives the value of a variable of base.css.
function mixed(name, read) {
  const { emotion = "neutral", shade, hue } = paints.get(name) ?? {};
  return shade ? `oklch(${read(shade)} ${hue})` : read(`--${emotion}`);
}

// For the style of an element.
export function variable(name) {
  return mixed(name, (each) => `var(${each})`);
}

// For a canvas, which knows no variables.
export function colour(name) {
  return mixed(name, token);
}

export function token(name) {
  return style.getPropertyValue(name).trim();
}

export function sameNames(names, others) {
  return names.length === others.length && names.every((name, index) => name === others[index]);
}

// The name of a class within a sentence: one from the right does not turn what stands beside it.
export function inText(name) {
  return FROM_THE_RIGHT.test(name) ? `\u2068${name}\u2069` : name;
}

export function percent(share) {
  const value = share * 100;
  return value > 0 && value < 1 ? "< 1 %" : `${Math.round(value)} %`;
}

// A class and its probability, for people.
export function said(face) {
  return `${inText(face.emotion)}, ${percent(face.probabilities[face.emotion])}`;
}
