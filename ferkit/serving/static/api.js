// Questions to the service. Every failure is an ApiFailure whose message can be shown as it is.

const paths = document.body.dataset;
const TOKEN = "ferkit-token";
const REFUSED_PICTURE = new Set(["body_too_large", "empty_body", "not_a_picture", "too_many_pixels", "no_such_face", "too_costly"]);

export class ApiFailure extends Error {
  constructor(message, { code = "unreachable", status = 0, wait = 0 } = {}) {
    super(message);
    this.code = code;
    this.status = status;
    // Seconds after which another try makes sense; 0: it does not.
    this.wait = wait;
  }
}

export function keepToken(token) {
  // For this tab and no longer.
  sessionStorage.setItem(TOKEN, token);
}

function headers(more = {}) {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: headers(options.headers) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiFailure("The service does not answer. Is it still running?", { wait: 2 });
  }
  if (response.ok) return response;
  let { code, message } = { code: "refused", message: `${response.status} ${response.statusText}` };
  try {
    ({ code, message } = (await response.json()).error);
  } catch {
    // A proxy in between may answer in HTML: the status is all there is.
  }
  const wait = Number(response.headers.get("Retry-After")) || 0;
  throw new ApiFailure(inWords(code, message), { code, status: response.status, wait });
}

function inWords(code, message) {
  if (code === "unauthorized") return "This service asks for a token, and got none or another one.";
  const sentence = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}

async function withPicture(path, blob, parameters, signal) {
  // The service looks at the bytes; browsers know no type for some pictures that it can read.
  const type = blob.type.startsWith("image/") ? blob.type : "image/unknown";
  const address = `${path}?${new URLSearchParams(parameters)}`;
  try {
    return await ask(address, { method: "POST", body: blob, headers: { "Content-Type": type }, signal });
  } catch (error) {
    // The service knows no name; a frame of the webcam has none.
    if (REFUSED_PICTURE.has(error.code) && blob.name) error.message = `${blob.name}: ${afterName(error.message)}`;
    throw error;
  }
}

const afterName = (message) => message.replace(/^picture: /i, "");

// What the service answers about one picture: {model, target, classes, picture: {width, height, faces}}.
export async function predict(blob, settings, signal) {
  const answer = await (await withPicture(paths.predict, blob, settings, signal)).json();
  return { ...answer, picture: answer.pictures[0] };
}

export async function explain(blob, settings, face, emotion, signal) {
  return (await withPicture(paths.explain, blob, { ...settings, face, emotion }, signal)).json();
}

// What the browser cannot show itself, drawn by the service: a picture of at most 1,600 pixels a side.
export async function preview(blob, signal) {
  return (await withPicture(paths.preview, blob, {}, signal)).blob();
}

export async function model() {
  return (await ask(paths.model)).json();
}

export async function card() {
  return (await ask(paths.card)).text();
}
