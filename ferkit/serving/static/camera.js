// The webcam: on, off, the other one, and one frame of it as a JPEG.

// A face fills a good part of such a frame; of a larger one most networks would see no more, and it costs time.
const MOST_SIDE = 640;
const QUALITY = 0.85;

export class CameraFailure extends Error {}

const REASONS = {
  NotAllowedError: "The browser was not allowed to use the camera. Allow it in the settings of this site, and try again.",
  NotFoundError: "No camera was found.",
  NotReadableError: "The camera is in use by another program.",
};

export class Camera {
  constructor(video) {
    this.video = video;
    this.canvas = document.createElement("canvas");
    this.facing = "user";
    this.stream = null;
  }

  // Browsers give the camera only to pages from https or from this machine.
  static get possible() {
    return Boolean(navigator.mediaDevices?.getUserMedia);
  }

  get on() {
    return this.stream !== null;
  }

  // What a person sees of themselves is a mirror; the camera at the back is none.
  get mirrored() {
    return this.facing === "user";
  }

  async start() {
    if (!Camera.possible) {
      throw new CameraFailure("The camera needs a page from https or from this machine (localhost).");
    }
    this.stop();
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        video: { facingMode: this.facing, width: { ideal: 640 }, height: { ideal: 480 } },
      });
      this.video.srcObject = this.stream;
      await this.video.play();
    } catch (error) {
      this.stop();
      throw new CameraFailure(REASONS[error.name] ?? `The camera cannot be used: ${error.message}`);
    }
  }

  async turn() {
    this.facing = this.facing === "user" ? "environment" : "user";
    await this.start();
  }

  async count() {
    const devices = await navigator.mediaDevices.enumerateDevices();
    return devices.filter((device) => device.kind === "videoinput").length;
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
  }

  get size() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const scale = Math.min(1, MOST_SIDE / Math.max(width, height, 1));
    return [Math.round(width * scale), Math.round(height * scale)];
  }

  // The frame of now, mirrored as it is shown, so that boxes need no turning round.
  async frame() {
    const [width, height] = this.size;
    Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d");
    if (this.mirrored) {
      context.translate(width, 0);
      context.scale(-1, 1);
    }
    context.drawImage(this.video, 0, 0, width, height);
    return new Promise((resolve, reject) => {
      this.canvas.toBlob(
        (blob) => (blob ? resolve(blob) : reject(new CameraFailure("The camera gave no picture."))),
        "image/jpeg",
        QUALITY,
      );
    });
  }
}
