// The webcam on the stage: taking a picture, reading live, and what was read over time.

import * as api from "./api.js";
import { History } from "./history.js";
import { withSettings } from "./model.js";
import { summary, tell } from "./reading.js";
import { Smoother, Stream } from "./stream.js";

const at = (id) => document.getElementById(id);
// Between two sentences to those who listen to the page.
const SENTENCE = 3_000;
const SHOOT = "Take a picture";
const BACK = "Back to the camera";

export class LiveReading {
  constructor({ camera, stage, onStart, onPicture, onAnswer, onFailure, onRecovery }) {
    Object.assign(this, { camera, stage, onStart, onPicture, onAnswer, onFailure, onRecovery });
    this.last = null;
    this.history = new History(at("chart"), at("legend"));
    this.smoother = new Smoother();
    this.pace = 0;
    this.told = 0;
    this.stream = new Stream({
      look: () => camera.frame(),
      ask: (blob) => withSettings((chosen) => api.predict(blob, chosen)),
      onAnswer: (answer, blob, seconds) => this.answered(answer, blob, seconds),
      onFailure: (error, gaveUp) => {
        onFailure(error);
        if (gaveUp) this.pause();
      },
    });
    const on = (id, action) => at(id).addEventListener("click", () => Promise.resolve(action()).catch(onFailure));
    on("camera", () => this.turnOn());
    on("shoot", () => this.shoot());
    on("live", () => (this.running ? this.pause() : this.read()));
    on("turn", () => this.turn());
    on("off", () => {
      this.turnOff();
      onStart();
      stage.clear();
      at("camera").focus();
    });
    on("save", () => this.save());
    on("clear", () => {
      this.history.clear();
      this.history.draw();
    });
    at("smooth").addEventListener("change", () => {
      this.smoother = new Smoother();
    });
  }

  get running() {
    return this.stream.running;
  }

  async turnOn() {
    this.onStart();
    await this.camera.start();
    at("camera-bar").hidden = false;
    at("turn").hidden = (await this.camera.count()) < 2;
    this.preview();
    at("live").focus();
  }

  // The camera stays on: one press back to it, or on to reading live.
  async shoot() {
    if (this.stage.source !== this.camera.video) {
      this.onStart();
      this.preview();
      return;
    }
    const picture = await this.camera.frame();
    this.pause();
    at("shoot").textContent = BACK;
    await this.onPicture(picture);
  }

  async turn() {
    const wasRunning = this.running;
    this.pause();
    await this.camera.turn();
    this.preview();
    if (wasRunning) this.read();
  }

  preview() {
    const [width, height] = this.camera.size;
    this.stage.show(this.camera.video, width, height, { mirrored: this.camera.mirrored });
    at("shoot").textContent = SHOOT;
    const { video } = this.camera;
    const draw = () => {
      if (!this.camera.on || this.stage.source !== video) return;
      this.stage.draw();
      requestAnimationFrame(draw);
    };
    draw();
  }

  read() {
    // After an explanation the stage shows a frame that stands still.
    if (this.stage.source !== this.camera.video) this.preview();
    this.onStart();
    this.smoother = new Smoother();
    this.last = null;
    this.pace = 0;
    at("live").textContent = "Pause";
    // To those who listen it says less often what the eye sees beside it.
    at("status").classList.add("quiet");
    at("history").hidden = false;
    this.history.draw();
    this.stream.start();
  }

  pause() {
    this.stream.stop();
    this.history.pause();
    at("status").classList.remove("quiet");
    at("live").textContent = "Read live";
    at("pace").textContent = "";
  }

  // Pause on the frame that was answered last, with what was said of it alone.
  async freeze() {
    if (!this.running || !this.last) return;
    this.pause();
    const { answer, blob } = this.last;
    this.stage.source = await createImageBitmap(blob);
    this.stage.mirrored = false;
    at("shoot").textContent = BACK;
    this.onAnswer(answer, blob, answer.picture.faces);
    tell(summary(answer.picture.faces));
  }

  turnOff() {
    this.pause();
    this.camera.stop();
    at("camera-bar").hidden = true;
  }

  answered(answer, blob, seconds) {
    const now = Date.now();
    const { faces } = answer.picture;
    const shown = at("smooth").checked ? this.smoother.of(faces, now) : faces;
    this.last = { answer, blob };
    this.onRecovery();
    this.onAnswer(answer, blob, shown);
    this.history.add(now, faces, shown, answer.classes);
    this.pace = this.pace ? 0.8 * this.pace + 0.2 * seconds : seconds;
    at("pace").textContent = `${(1 / this.pace).toFixed(1)} pictures a second`;
    // Without a face there is nothing else to see: then the sentence is there for all.
    const wasEmpty = !at("status").classList.contains("quiet");
    at("status").classList.toggle("quiet", shown.length > 0);
    if (!shown.length || wasEmpty || now - this.told > SENTENCE) {
      tell(summary(shown));
      this.told = now;
    }
  }

  save() {
    const file = URL.createObjectURL(new Blob([this.history.csv], { type: "text/csv" }));
    const stamp = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
    Object.assign(document.createElement("a"), { href: file, download: `emotions-${stamp}.csv` }).click();
    // Not before the browser has begun to read it.
    setTimeout(() => URL.revokeObjectURL(file), 10_000);
  }
}
