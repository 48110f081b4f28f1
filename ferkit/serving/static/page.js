// Ties the parts together: what is asked about, what was said, what is chosen.

import * as api from "./api.js";
import { Camera } from "./camera.js";
import { paint } from "./classes.js";
import { Explanation } from "./explanation.js";
import { Gallery } from "./gallery.js";
import { takePictures } from "./intake.js";
import { LiveReading } from "./live.js";
import { follow, isOutdated, loadModel, offerModels, openable, settings, withSettings } from "./model.js";
import { Reading, summary, tell } from "./reading.js";
import { Stage } from "./stage.js";

const at = (id) => document.getElementById(id);
const stage = new Stage(at("stage"), at("canvas"), select);
const reading = new Reading(select);
const camera = new Camera(at("video"));
// What is shown: a picture as it was sent, the answer about it, and which of its faces is chosen.
const shown = { picture: null, answer: null, selected: 0 };
let asking = null;

function select(index) {
  if (index === shown.selected) return;
  shown.selected = index;
  explanation.hide();
  render();
}

function render() {
  if (!shown.answer) return;
  const { faces, classes } = shown.answer;
  paint(classes);
  shown.selected = Math.min(shown.selected, Math.max(0, faces.length - 1));
  stage.setFaces(faces, shown.selected);
  reading.show(faces, shown.selected, classes, (face, canvas) => stage.cropOnto(face, canvas));
}

function fail(error) {
  if (error.name === "AbortError") return;
  at("error").textContent = error.message;
  at("error").hidden = false;
  if (error.status === 401) {
    at("token-form").hidden = false;
    at("token").focus();
  }
}

function forgetError() {
  at("error").hidden = true;
}

// Ask about the picture that is shown; an older question that is still under way is given up.
async function readPicture() {
  asking?.abort();
  const own = (asking = new AbortController());
  explanation.hide();
  forgetError();
  at("busy").hidden = false;
  try {
    const answer = await predictOnceReady(shown.picture, own.signal);
    const { width, height, faces } = answer.picture;
    if (!stage.source) stage.show(null, width, height);
    shown.answer = { faces, classes: answer.classes };
    forgetError();
    follow(answer.model);
    render();
    tell(summary(faces));
    if (!stage.source) await drawPreview(own.signal);
  } catch (error) {
    if (error.name !== "AbortError") {
      shown.answer = null;
      stage.setFaces([], 0);
      reading.clear();
      tell("");
    }
    fail(error);
  } finally {
    if (asking === own) at("busy").hidden = true;
  }
}

// A service that has just been started is still reading its model: the picture waits for it.
async function predictOnceReady(picture, signal) {
  for (;;) {
    try {
      return await withSettings((chosen) => api.predict(picture, chosen, signal));
    } catch (error) {
      if (error.code !== "not_ready" || !error.wait) throw error;
      fail(error);
      await new Promise((resolve) => setTimeout(resolve, error.wait * 1000));
      signal.throwIfAborted();
    }
  }
}

// The service can read pictures that the browser cannot show.
async function drawPreview(signal) {
  stage.source = await createImageBitmap(await api.preview(shown.picture, signal));
  render();
}

async function showPicture(blob) {
  Object.assign(shown, { picture: blob, answer: null, selected: 0 });
  reading.clear();
  try {
    // Turned as the camera noted, as the service turns it.
    const bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" });
    stage.show(bitmap, bitmap.width, bitmap.height);
  } catch {
    stage.clear();
  }
  await readPicture();
}

const explanation = new Explanation({
  stage,
  // What is explained stands still.
  picture: async () => {
    await live.freeze();
    return shown.picture;
  },
  face: () => shown.selected,
  settings,
  // What was chosen is none of the classes of the model that has taken over: they are read first.
  onFailure: (error) => (isOutdated(error) ? readPicture() : fail(error)),
  onStart: forgetError,
});

const live = new LiveReading({
  camera,
  stage,
  onStart: () => {
    forgetError();
    asking?.abort();
    explanation.hide();
    gallery.clear();
    Object.assign(shown, { picture: null, answer: null, selected: 0 });
    reading.clear();
    tell("");
  },
  onPicture: showPicture,
  onAnswer: (answer, blob, faces) => {
    Object.assign(shown, { picture: blob, answer: { faces, classes: answer.classes } });
    follow(answer.model);
    render();
  },
  onFailure: fail,
  onRecovery: forgetError,
});

const gallery = new Gallery(showPicture);

at("settings").addEventListener("change", () => {
  offerModels();
  explanation.hide();
  if (shown.picture && !live.running) readPicture();
});
at("token-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  api.keepToken(at("token").value);
  at("token").value = "";
  at("token-form").hidden = true;
  forgetError();
  await begin();
  if (shown.picture && !shown.answer) await readPicture();
});
// A phone that gets the page over plain http has no webcam to offer, but its camera takes pictures.
at("camera").hidden = !Camera.possible;
at("capture-button").hidden = Camera.possible && !matchMedia("(pointer: coarse)").matches;

async function begin() {
  try {
    await loadModel();
  } catch (error) {
    fail(error);
    // A service that has just been started is still reading its model.
    if (error.code === "not_ready" && error.wait) {
      setTimeout(async () => {
        forgetError();
        await begin();
      }, error.wait * 1000);
    }
  }
}

takePictures((files) => {
  live.turnOff();
  return gallery.show(files);
});
openable(fail);
await begin();
