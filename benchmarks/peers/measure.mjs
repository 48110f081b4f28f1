// What every Node runner of this folder shares; the same as measure.py.
//
//     node RUNNER.mjs PICTURES.npy REPORT.json

import fs from 'node:fs';

const [BATCH, PASSES, SINGLE, BATCHED] = [64, 3, 100, 1024];
const SIDE = 48;

/** Run `predict`, (Uint8Array of `count` 48x48 faces, count) to `count` arrays, on every picture; time it; report. */
export async function measure(classes, weights, predict) {
  const file = fs.readFileSync(process.argv[2]);
  // The header of a .npy file of version 1: ten bytes, then as many as the last two of them say.
  const pixels = new Uint8Array(file.subarray(10 + file.readUInt16LE(8)));
  const faces = pixels.length / (SIDE * SIDE);

  async function run(count, size) {
    const rows = [];
    for (let at = 0; at < count; at += size) {
      const end = Math.min(at + size, count);
      rows.push(...(await predict(pixels.subarray(at * SIDE * SIDE, end * SIDE * SIDE), end - at)));
    }
    return rows;
  }

  async function rates(size, count) {
    const found = [];
    for (let pass = 0; pass < PASSES; pass++) {
      const start = performance.now();
      await run(count, size);
      found.push((count / (performance.now() - start)) * 1000);
    }
    return found;
  }

  await run(Math.min(faces, 2 * BATCH), BATCH);
  await run(Math.min(faces, 2), 1);
  const probabilities = await run(faces, BATCH);
  const single = await rates(1, Math.min(faces, SINGLE));
  const batched = await rates(BATCH, Math.min(faces, BATCHED));
  const bytes = weights.map((path) => fs.statSync(path).size).reduce((sum, size) => sum + size, 0);
  fs.writeFileSync(process.argv[3], JSON.stringify({ classes, probabilities, single, batched, bytes }));
}
