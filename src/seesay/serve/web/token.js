// The server's token: from the page's address (#token=...), or asked for. It is kept until the tab is closed.

const KEY = "seesay-token";

/** The token in the address, which it is removed from, or that of before; empty if there is none. */
export function knownToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) return sessionStorage.getItem(KEY) ?? "";
  history.replaceState(null, "", location.pathname + location.search);
  sessionStorage.setItem(KEY, given);
  return given;
}

/**
 * Asks for the token.
 * @param {HTMLDialogElement} dialog
 * @param {boolean} refused whether one was tried
 * @returns {Promise<string>}
 */
export function askToken(dialog, refused) {
  const input = dialog.querySelector("input");
  dialog.querySelector(".problem").textContent = refused ? "That was not it." : "";
  input.value = "";
  dialog.showModal();
  const closed = () => {
    sessionStorage.setItem(KEY, input.value);
    return input.value;
  };
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(closed()), { once: true });
  });
}
