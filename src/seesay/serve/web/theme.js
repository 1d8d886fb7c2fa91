// Dark or light: as the system has it, until the button says otherwise.

const KEY = "seesay-theme";

/** @param {HTMLElement} button @param {() => void} changed called when colours are others */
export function themeButton(button, changed) {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const name = () => {
    button.setAttribute("aria-label", isDark() ? "Use light colours" : "Use dark colours");
    changed();
  };
  const kept = remembered();
  if (kept) root.dataset.theme = kept;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remember(root.dataset.theme);
    name();
  });
  system.addEventListener("change", name);
  name();
}

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage is blocked
  }
}

function remember(value) {
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // storage is blocked: the choice lasts as long as the page
  }
}
