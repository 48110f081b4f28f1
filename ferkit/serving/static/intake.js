// The ways in which pictures reach the page: chosen, taken by a phone, dropped, pasted.

const at = (id) => document.getElementById(id);

function filesIn(items) {
  // A folder is no file, and is given as none.
  return [...(items ?? [])].filter((item) => item.kind === "file").map((item) => item.getAsFile()).filter(Boolean);
}

// `onPictures` gets one or several files.
export function takePictures(onPictures) {
  for (const id of ["file", "capture"]) {
    at(id).addEventListener("change", (event) => {
      const files = [...event.target.files];
      // So that the same file can be chosen again.
      event.target.value = "";
      if (files.length) onPictures(files);
    });
  }
  document.addEventListener("paste", (event) => {
    const files = filesIn(event.clipboardData?.items);
    if (files.length) onPictures(files);
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
    const files = filesIn(event.dataTransfer.items);
    if (files.length) onPictures(files);
  });
}
