// A heat map as a picture that lets the face below show: inferno, the more opaque the hotter.

// Every eighth of matplotlib's inferno.
const INFERNO = [
  [0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85],
  [227, 89, 51], [249, 140, 10], [249, 201, 50], [252, 255, 164],
];
const OPACITY = 0.8;

function inferno(heat) {
  const place = heat * (INFERNO.length - 1);
  const before = Math.min(Math.floor(place), INFERNO.length - 2);
  return INFERNO[before].map((value, index) => value + (place - before) * (INFERNO[before + 1][index] - value));
}

// Rows of numbers from 0 to 1 as a canvas of one pixel each.
export function heatPicture(rows) {
  const canvas = document.createElement("canvas");
  canvas.width = rows[0].length;
  canvas.height = rows.length;
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(canvas.width, canvas.height);
  rows.flat().forEach((heat, index) => {
    pixels.data.set([...inferno(heat), 255 * OPACITY * heat], 4 * index);
  });
  context.putImageData(pixels, 0, 0);
  return canvas;
}
