// Grad-CAM on request: over the face in the picture, and over what the network saw of it.

import * as api from "./api.js";
import { inText } from "./classes.js";

const at = (id) => document.getElementById(id);

export class Explanation {
  constructor({ stage, picture, face, settings, onStart, onFailure }) {
    Object.assign(this, { stage, picture, face, settings, onStart, onFailure });
    this.asking = null;
    at("explain").addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    at("explain-emotion").addEventListener("change", () => {
      if (!at("explanation").hidden) this.ask();
    });
    at("hide-heat").addEventListener("click", () => {
      this.hide();
      at("explain-button").focus();
    });
  }

  async ask() {
    const blob = await this.picture();
    const emotion = at("explain-emotion").value;
    this.asking?.abort();
    const own = (this.asking = new AbortController());
    this.onStart();
    at("explain").setAttribute("aria-busy", "true");
    at("explain-button").textContent = "Explaining…";
    try {
      const answer = await api.explain(blob, this.settings(), this.face(), emotion, own.signal);
      this.show(answer);
    } catch (error) {
      this.onFailure(error);
    } finally {
      if (this.asking === own) this.rest();
    }
  }

  rest() {
    at("explain").removeAttribute("aria-busy");
    at("explain-button").textContent = "Explain";
  }

  show(answer) {
    const cold = answer.heatmap.every((row) => row.every((heat) => heat === 0));
    at("overlay").src = answer.overlay_png;
    const name = inText(answer.emotion);
    at("overlay").alt = `The face as the network saw it, with heat where it speaks for ${name}`;
    at("explanation-text").textContent = cold
      ? `Nothing in this face speaks for ${name}.`
      : `What the network saw. The brighter a place, the more it speaks for ${name} (Grad-CAM).`;
    at("explanation").hidden = false;
    this.stage.setHeat(answer);
    at("explanation").scrollIntoView({ block: "nearest" });
  }

  hide() {
    this.asking?.abort();
    this.asking = null;
    this.rest();
    at("explanation").hidden = true;
    this.stage.setHeat(null);
  }
}
