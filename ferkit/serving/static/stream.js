// Reading the webcam: one frame is asked about, and the next only when its answer is there; none ever waits in a row.

const TRIES = 5;
// Of the exponential mean; half of a change shows after about a third of a second.
const SMOOTH_SECONDS = 0.5;
const LEAST_OVERLAP = 0.3;

export class Stream {
  // `look()` resolves to a blob, `ask(blob)` to an answer; `onAnswer(answer, blob, seconds)`, `onFailure(error, gaveUp)`.
  constructor({ look, ask, onAnswer, onFailure }) {
    Object.assign(this, { look, ask, onAnswer, onFailure });
    this.round = 0;
    this.running = false;
  }

  async start() {
    const round = ++this.round;
    this.running = true;
    let failures = 0;
    while (this.running && round === this.round) {
      const began = performance.now();
      try {
        const blob = await this.look();
        const answer = await this.ask(blob);
        if (!this.running || round !== this.round) return;
        failures = 0;
        this.onAnswer(answer, blob, (performance.now() - began) / 1000);
      } catch (error) {
        if (!this.running || round !== this.round) return;
        failures += 1;
        const gaveUp = !error.wait || failures >= TRIES;
        if (gaveUp) this.stop();
        this.onFailure(error, gaveUp);
        if (!gaveUp) await new Promise((resolve) => setTimeout(resolve, error.wait * 1000));
      }
      // Lets the page draw between two frames.
      await new Promise(requestAnimationFrame);
    }
  }

  stop() {
    this.running = false;
    this.round += 1;
  }
}

// Probabilities of each face as an exponential mean over time; a face is the same one while its boxes overlap.
export class Smoother {
  constructor() {
    this.before = [];
    this.time = 0;
  }

  of(faces, now) {
    const keep = Math.exp(-(now - this.time) / 1000 / SMOOTH_SECONDS);
    const smoothed = faces.map((face) => {
      const same = this.before.find((each) => overlap(each.box, face.box) >= LEAST_OVERLAP);
      if (!same) return face;
      const probabilities = Object.fromEntries(
        Object.entries(face.probabilities).map(([name, share]) => [
          name,
          keep * (same.probabilities[name] ?? share) + (1 - keep) * share,
        ]),
      );
      const [emotion] = Object.entries(probabilities).reduce((most, each) => (each[1] > most[1] ? each : most));
      return { ...face, probabilities, emotion };
    });
    Object.assign(this, { before: smoothed, time: now });
    return smoothed;
  }
}

// Intersection over union of two boxes (x, y, width, height).
function overlap([ax, ay, aw, ah], [bx, by, bw, bh]) {
  const wide = Math.min(ax + aw, bx + bw) - Math.max(ax, bx);
  const high = Math.min(ay + ah, by + bh) - Math.max(ay, by);
  const both = Math.max(0, wide) * Math.max(0, high);
  return both / (aw * ah + bw * bh - both);
}
