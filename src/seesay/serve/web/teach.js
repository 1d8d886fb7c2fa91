// The part of the page that teaches: classes with a name and samples of each. Once two classes have two
// samples, the page answers with them, and says how many it gets right when each is left out in turn.
// What is taught stays in the browser until it is downloaded.

import { longOf } from "./graph.js";
import { givenOf, sampleButton, sampleOf } from "./teach_samples.js";
import { taught as taughtBy, taughtAnswer, taughtFile } from "./taught.js";
import { nounOf } from "./words.js";

export const MOST = 20; // classes
const FILE = "taught.safetensors";

/**
 * @param {HTMLButtonElement} button shows and hides it
 * @param {HTMLElement} section
 * @param {import("./engine.js").Engine} base answers by the model's own classes, and encodes
 * @param {Map<string, { panel: any, element: HTMLElement, door: string }>} panels by modality
 * @param {(engine: import("./engine.js").Engine) => void} use lets the page answer by an engine
 */
export function teaching(button, section, base, panels, use) {
  const part = (name) => section.querySelector(name);
  const template = document.getElementById("taught-class");
  const nouns = new Map([...panels.keys()].map((modality) => [modality, nounOf(base.model, modality)]));
  const classes = []; // { element, input, adder, shown }
  let model = null;
  let working = 0; // samples on their way

  const names = () => {
    const found = [];
    for (const [i, { input }] of classes.entries()) {
      const name = input.value.trim() || `class ${i + 1}`;
      let unique = name;
      for (let n = 2; found.includes(unique); n++) unique = `${name} ${n}`;
      found.push(unique);
    }
    return found;
  };
  const samples = () => classes.flatMap(({ shown }) => shown.map(({ sample }) => sample));
  const complain = (text) => (part(".problem").textContent = text);

  // ------------------------------------------------------------------------------ fitting

  const fit = () => {
    classes.forEach(({ shown }, label) => shown.forEach(({ sample }) => (sample.label = label)));
    performance.mark("teach-begin");
    model = taughtBy([...panels.keys()], classes.length, samples());
    performance.measure("teach", "teach-begin");
    show();
    if (!section.hidden) use(engine());
  };

  /** Reads and encodes as the base does, and answers with the taught classes. */
  const engine = () => {
    const all = names();
    const [mine, known] = [model, model?.classes.map((k) => all[k]) ?? all];
    return {
      ...base,
      model: { ...base.model, classes: known, name: "" },
      invitation: mine ? "Draw or say something that you taught." : "Draw or say something, and add it to a class.",
      async read(given) {
        part(".adders").hidden = !Object.keys(given).length;
        const found = await base.read(given);
        for (const m of Object.keys(given)) if (!mine?.heads[m]) found.errors[m] ??= ""; // nothing is taught of it
        return found;
      },
      async predict(given, contents) {
        const before = performance.now();
        const read = Object.fromEntries(Object.entries(contents).filter(([m]) => given[m]));
        const { windows, seen } = await base.encode(given, read);
        const answer = taughtAnswer(mine, known, windows, longOf(base.model, read));
        return { answer, seen, milliseconds: performance.now() - before };
      },
    };
  };

  // ------------------------------------------------------------------------------ showing

  const show = () => {
    const all = names();
    classes.forEach(({ element, input, adder, shown }, label) => {
      input.setAttribute("aria-label", `Name of class ${label + 1}`);
      input.placeholder = `class ${label + 1}`;
      adder.textContent = all[label];
      adder.setAttribute("aria-label", `Add to ${all[label]}`);
      adder.dataset.count = String(shown.length);
      for (const [name, words] of [["choose", "Add files to"], ["remove", "Remove"]]) {
        element.querySelector(`.${name}`).setAttribute("aria-label", `${words} ${all[label]}`);
      }
      element.querySelector(".remove").disabled = classes.length <= 2 && !shown.length;
      const counts = new Map();
      let wrong = 0;
      for (const { sample, thumbnail } of shown) {
        const number = (counts.get(sample.modality) ?? 0) + 1;
        counts.set(sample.modality, number);
        const other = model?.mistaken.get(sample);
        if (other !== undefined) wrong++;
        thumbnail.say(`${nouns.get(sample.modality)} ${number} of ${all[label]}`, other === undefined ? "" : all[other]);
      }
      const used = shown.length && model?.classes.includes(label);
      element.querySelector(".right").textContent = used ? `${shown.length - wrong} of ${shown.length}` : "";
    });
    part(".more").disabled = classes.length >= MOST;
    part(".download").disabled = !model || working > 0;
    part(".score").textContent = model ? scoreOf(model) : needs();
    section.dataset.busy = String(working > 0);
  };

  const scoreOf = ({ scores, modalities, mistaken }) => {
    const parts = Object.entries(scores).map(([condition, { right, total }]) => {
      const what = nouns.has(condition) ? `of ${total} ${nouns.get(condition)}s` : `of ${total} pairs of both`;
      return `${right} ${what} (${Math.round((100 * right) / total)} %)`;
    });
    const sentences = [`Leave-one-out: ${parts.join(", ")} right.`];
    if (mistaken.size) sentences.push("Those with a frame are then taken for another class.");
    for (const m of panels.keys()) {
      const some = !modalities.includes(m) && samples().some(({ modality }) => modality === m);
      if (some) sentences.push(`Of ${nouns.get(m)}s, two classes need two each.`);
    }
    return sentences.join(" ");
  };
  const needs = () => "It answers, and tells its score, as soon as two classes have two of a kind.";

  // ------------------------------------------------------------------------------ changing

  const addClass = () => {
    const element = template.content.firstElementChild.cloneNode(true);
    const find = (name) => element.querySelector(name);
    const own = { element, input: find(".name"), adder: document.createElement("button"), shown: [] };
    own.adder.type = "button";
    own.adder.addEventListener("click", () => addGiven(own));
    part(".adders").append(own.adder);
    const file = find("input[type=file]");
    file.accept = [...panels.values()].map(({ panel }) => `${panel.accepts}*`).join(",");
    own.input.addEventListener("input", () => {
      show();
      use(engine());
    });
    find(".choose").addEventListener("click", () => file.click());
    file.addEventListener("change", async () => {
      await addFiles(own, [...file.files]);
      file.value = "";
    });
    find(".remove").addEventListener("click", () => {
      const at = classes.indexOf(own);
      drop(own);
      while (classes.length < 2) addClass();
      classes[Math.min(at, classes.length - 1)].input.focus();
      fit();
    });
    element.addEventListener("drop", (event) => {
      event.preventDefault();
      event.stopPropagation(); // it is not for the panels
      document.body.classList.remove("dropping");
      addFiles(own, [...event.dataTransfer.files]);
    });
    classes.push(own);
    part(".classes").append(element);
    return own;
  };

  const drop = (own) => {
    classes.splice(classes.indexOf(own), 1);
    own.element.remove();
    own.adder.remove();
  };

  const add = async (own, modality, given) => {
    working++;
    show();
    try {
      const sample = await sampleOf(base, modality, classes.indexOf(own), given);
      if (!classes.includes(own)) return;
      const thumbnail = sampleButton(sample, () => {
        const at = own.shown.findIndex((each) => each.sample === sample);
        own.shown.splice(at, 1);
        thumbnail.item.remove();
        const next = own.shown[Math.min(at, own.shown.length - 1)];
        (next?.thumbnail.item.firstElementChild ?? own.element.querySelector(".choose")).focus();
        fit();
      });
      own.shown.push({ sample, thumbnail });
      own.element.querySelector(".samples").append(thumbnail.item);
      thumbnail.draw();
    } catch (error) {
      complain(error.message);
    } finally {
      working--;
      if (working === 0) fit();
      else show();
    }
  };

  /** What is in the panels, which are then empty for the next. */
  const addGiven = async (own) => {
    complain("");
    const given = [...panels].flatMap(([m, { panel }]) => (panel.given() ? [[m, panel]] : []));
    if (!given.length) return complain("There is nothing to add yet: draw or say something above.");
    await Promise.all(
      given.map(([modality, panel]) => {
        const each = panel.given();
        panel.clear();
        return add(own, modality, each);
      }),
    );
  };

  const addFiles = async (own, files) => {
    complain("");
    working++; // fitted once, after the last
    for (const file of files) {
      try {
        const found = await givenOf(file, base, panels);
        if (found) await add(own, ...found);
        else complain(`${file.name} is neither of what this model takes.`);
      } catch (error) {
        complain(error.message);
      }
    }
    working--;
    fit();
  };

  const download = () => {
    const all = names();
    const bytes = taughtFile(model, model.classes.map((k) => all[k]), base.model);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
    link.download = FILE;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    part(".opens").textContent = `Open it with: seesay predict ${FILE} --${model.modalities[0]} FILE`;
  };

  const restart = () => {
    for (const own of [...classes]) drop(own);
    part(".opens").textContent = "";
    complain("");
    while (classes.length < 2) addClass();
    fit();
  };

  const toggle = () => {
    section.hidden = !section.hidden;
    button.setAttribute("aria-expanded", String(!section.hidden));
    document.body.classList.toggle("taught", !section.hidden);
    if (section.hidden) return use(base);
    redraw();
    use(engine());
    return section.scrollIntoView({ block: "nearest" });
  };

  const redraw = () => {
    if (!section.hidden) for (const { shown } of classes) for (const { thumbnail } of shown) thumbnail.draw();
  };

  const both = [...panels.values()].map(({ door }) => (door === "recording" ? "say" : door === "ink" ? "draw" : "show"));
  part(".how").textContent =
    `Name two classes or more. Then ${both.join(" or ")} something above and add it to its class by the button that appears, ` +
    "or by a key from 1 to 9; or drop files on the class. Each needs two at least, five are better.";
  button.hidden = false;
  button.addEventListener("click", toggle);
  part(".more").addEventListener("click", () => {
    addClass().input.focus();
    fit();
  });
  part(".download").addEventListener("click", download);
  part(".restart").addEventListener("click", restart);
  document.addEventListener("keydown", (event) => {
    const own = /^[1-9]$/.test(event.key) ? classes[event.key - 1] : null;
    const free = !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest?.("input, dialog");
    if (own && free && !section.hidden) addGiven(own);
  });
  restart();
  return { redraw };
}
