// FER and FER+ have different words for the same emotions; each emotion has one colour everywhere on the page.

const KEYS = { anger: "angry", happiness: "happy", sadness: "sad" };
const style = getComputedStyle(document.documentElement);

export function variable(emotion) {
  return `var(--${KEYS[emotion] ?? emotion})`;
}

// For a canvas, which knows no variables.
export function colour(emotion) {
  return style.getPropertyValue(`--${KEYS[emotion] ?? emotion}`).trim() || "#888888";
}

export function token(name) {
  return style.getPropertyValue(name).trim();
}

export function percent(share) {
  const value = share * 100;
  return value > 0 && value < 1 ? "< 1 %" : `${Math.round(value)} %`;
}
