// `@vladmandic/face-api`: its expression network under TensorFlow.js' WebAssembly backend, which needs no binary build.
// The network itself resizes to 112x112 and subtracts the mean.

import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { measure } from './measure.mjs';

// From the folder where the peer is installed: this script lies elsewhere.
const require = createRequire(path.join(process.cwd(), 'index.js'));
const tf = require('@tensorflow/tfjs');
const wasm = require('@tensorflow/tfjs-backend-wasm');
const faceapi = require('@vladmandic/face-api/dist/face-api.node-wasm.js');

wasm.setWasmPaths(path.join(process.cwd(), 'node_modules/@tensorflow/tfjs-backend-wasm/dist/'));
await tf.setBackend('wasm');
await tf.ready();
const models = path.join(process.cwd(), 'node_modules/@vladmandic/face-api/model');
const file = path.join(models, 'face_expression_model.bin');
const manifest = JSON.parse(fs.readFileSync(path.join(models, 'face_expression_model-weights_manifest.json')));
const bytes = fs.readFileSync(file);
const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
faceapi.nets.faceExpressionNet.loadFromWeightMap(tf.io.decodeWeights(buffer, manifest[0].weights));

// A batch is a list of pictures for it.
async function predict(pixels, count) {
  const grey = tf.tensor4d(pixels, [count, 48, 48, 1], 'int32');
  const faces = tf.tidy(() => tf.unstack(tf.tile(grey, [1, 1, 1, 3])));
  const out = await faceapi.nets.faceExpressionNet.forward(faces);
  const rows = await out.array();
  tf.dispose([grey, ...faces, out]);
  return rows;
}

await measure([...faceapi.FACE_EXPRESSION_LABELS], [file], predict);
