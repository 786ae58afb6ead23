// Copy text to the clipboard, and say so on the button.
const COPY = "Copy stack";
const SAID_MILLISECONDS = 2000;

async function copy(button, text) {
  button.textContent = (await copied(text)) ? "Copied" : "Not copied";
  setTimeout(() => (button.textContent = COPY), SAID_MILLISECONDS);
}

// Pages that were not loaded over https, or from a file, have no navigator.clipboard.
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedFromElement(text);
  }
}

function copiedFromElement(text) {
  const focused = document.activeElement;
  const area = el("textarea", { class: "visually-hidden", readonly: true });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}
