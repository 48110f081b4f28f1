// The ways in which a picture reaches the page: chosen, taken by a phone, dropped, pasted.

const at = (id) => document.getElementById(id);

function pictureIn(items) {
  for (const item of items ?? []) {
    if (item.kind === "file") return item.getAsFile();
  }
  return null;
}

export function takePictures(onPicture) {
  for (const id of ["file", "capture"]) {
    at(id).addEventListener("change", (event) => {
      const [file] = event.target.files;
      // So that the same file can be chosen again.
      event.target.value = "";
      if (file) onPicture(file);
    });
  }
  document.addEventListener("paste", (event) => {
    const file = pictureIn(event.clipboardData?.items);
    if (file) onPicture(file);
  });
  let inside = 0;
  const cover = (shown) => {
    at("drop").hidden = !shown;
  };
  document.addEventListener("dragenter", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    inside += 1;
    cover(true);
  });
  document.addEventListener("dragleave", () => {
    inside = Math.max(0, inside - 1);
    if (!inside) cover(false);
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    inside = 0;
    cover(false);
    const file = pictureIn(event.dataTransfer.items);
    if (file) onPicture(file);
  });
}
