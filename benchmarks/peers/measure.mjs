// What every Node runner of this folder shares; the same as measure.py.
//
//     node RUNNER.mjs PICTURES.npy REPORT.json

import fs from 'node:fs';

const [BATCH, SINGLE, SIDE] = [64, 100, 48];

/** Run `predict`, (Uint8Array of `count` 48x48 faces, count) to `count` arrays, on every picture; time it; report. */
export async function measure(classes, weights, predict) {
  const file = fs.readFileSync(process.argv[2]);
  // The header of a .npy file of version 1: ten bytes, then as many as the last two of them say.
  const pixels = new Uint8Array(file.subarray(10 + file.readUInt16LE(8)));
  const faces = pixels.length / (SIDE * SIDE);

  async function run(count, size) {
    const [said, seconds] = [[], []];
    for (let at = 0; at < count; at += size) {
      const end = Math.min(at + size, count);
      const start = performance.now();
      said.push(...(await predict(pixels.subarray(at * SIDE * SIDE, end * SIDE * SIDE), end - at)));
      seconds.push((performance.now() - start) / 1000 / (end - at));
    }
    return [said, seconds];
  }

  await run(faces % BATCH || BATCH, BATCH);
  await run(Math.min(faces, 2 * BATCH), BATCH);
  await run(2, 1);
  const before = process.cpuUsage();
  const [probabilities, batched] = await run(faces, BATCH);
  const { user, system } = process.cpuUsage(before);
  const processor = (user + system) / 1e6 / faces;
  const [, single] = await run(Math.min(faces, SINGLE), 1);
  const bytes = weights.map((path) => fs.statSync(path).size).reduce((sum, size) => sum + size, 0);
  fs.writeFileSync(process.argv[3], JSON.stringify({ classes, probabilities, single, batched, processor, bytes }));
}
