// The page: panels for what the model takes, and the answer, which follows them.

import { bars } from "./bars.js";
import { doorOf } from "./contents.js";
import { localEngine, serverEngine } from "./engine.js";
import { showExamples } from "./examples.js";
import { picturePanel } from "./picture_panel.js";
import { recordingPanel } from "./recording_panel.js";
import { teaching } from "./teach.js";
import { themeButton } from "./theme.js";
import { askToken, knownToken } from "./token.js";
import { balance, invitation, isDigits, isUnknown, nounOf, percent, sayingOf } from "./words.js";

const PAUSE = { local: 30, server: 100 }; // milliseconds between two questions while one draws
const QUIET = 700; // milliseconds without change after which the answer is read aloud

const find = (id) => document.getElementById(id);
const [main, headline, sentence, facts, spoken] = ["main", "headline", "sentence", "facts", "spoken"].map(find);

/** @type {import("./engine.js").Engine} */
let engine;
/** Panels by modality: what is given, what shows it, and how its opinion is drawn. */
const panels = new Map();
let showTogether;
let taught; // the part of the page that teaches, if there is one
let asked = 0; // questions asked and answered: the last one counts
let answered = 0;
let urgent = false;
let reading = 0;

async function start() {
  themeButton(find("theme"), redraw);
  const local = document.documentElement.dataset.engine === "local";
  const base = document.baseURI;
  const askAgain = (refused) => askToken(find("token"), refused);
  engine = await (local ? localEngine(base) : serverEngine(base, knownToken(), askAgain));
  const { model } = engine;
  const doors = model.modalities.map((modality) => doorOf(model.contents[modality]));
  const place = local ? "in this browser: nothing leaves your device" : "answered by this server";
  find("place").textContent = [model.name, place].filter(Boolean).join(", ");
  model.modalities.forEach((modality, i) => doors[i] && addPanel(modality, doors[i]));
  main.dataset.senses = String(panels.size);
  showClasses();
  const other = model.modalities.filter((_, i) => !doors[i]);
  find("elsewhere").hidden = !other.length;
  find("elsewhere").textContent = `This model ${panels.size ? "also " : ""}takes ${other.join(" and ")}, which cannot be given on this page.`;
  const [ends, names] = [find("balance").querySelectorAll(".ends span"), model.modalities];
  find("balance").hidden = panels.size !== 2;
  if (names.length === 2) names.forEach((name, i) => (ends[i].textContent = nounOf(model, name)));
  if (isDigits(model)) addExamples();
  if (model.encoders && panels.size) taught = teaching(find("teach"), find("teaching"), engine, panels, use);
  listen();
  main.dataset.state = "empty";
  showNothing();
  redraw();
  performance.mark("shown");
  facts.textContent = local ? "Waking the model" : facts.textContent;
  await engine.ready;
  performance.mark("ready");
  if (main.dataset.state === "empty") showNothing();
}

/** A panel for a modality, before the answer if it is seen, after it if it is heard. */
function addPanel(modality, door) {
  const { model, kind } = engine;
  const template = find(door === "recording" ? "recording" : "picture");
  const element = template.content.firstElementChild.cloneNode(true);
  const noun = nounOf(model, modality);
  const title = element.querySelector("h2");
  title.textContent = { image: "See", audio: "Say" }[modality] ?? modality;
  title.id = `title-${modality}`;
  element.setAttribute("aria-labelledby", title.id);
  element.querySelector(".noise input").setAttribute("aria-label", `Noise on the ${noun}`);
  for (const button of element.querySelectorAll(".tools button")) {
    if (!button.textContent.includes(" ")) button.setAttribute("aria-label", `${button.textContent} (${noun})`);
  }
  const options = { noun, serverReads: kind === "server", ink: door === "ink" };
  const hints = {
    ink: "Draw here, or drop a picture",
    photo: "Drop a picture, or use the camera",
    recording: matchMedia("(hover: none)").matches
      ? "Hold the round button and speak"
      : "or hold the space bar, or drop a recording",
  };
  const make = door === "recording" ? recordingPanel : picturePanel;
  const panel = make(element, { ...options, hint: hints[door] }, ask);
  if (door === "recording") main.append(element);
  else find("answer").before(element);
  panels.set(modality, { panel, element, door, showOpinion: null });
}

/** Bars for the classes of the engine. */
function showClasses() {
  const { model } = engine;
  showTogether = bars(find("together"), model.classes, "Together");
  for (const [modality, each] of panels) {
    const whose = `The ${nounOf(model, modality)} alone`;
    each.showOpinion = bars(each.element.querySelector(".thinks"), model.classes, whose);
  }
}

/** Let another engine answer, one that reads the same. @param {import("./engine.js").Engine} other */
function use(other) {
  const same = JSON.stringify(other.model.classes) === JSON.stringify(engine.model.classes);
  engine = other;
  if (!same) showClasses();
  ask(true);
}

function addExamples() {
  const first = (test) => [...panels.values()].find(({ door }) => test(door))?.panel;
  const places = { picture: first((door) => door === "ink"), recording: first((d) => d === "recording") };
  if (!places.picture && !places.recording) return;
  find("examples").hidden = false;
  showExamples(find("examples").querySelector(".cards"), places);
}

// ------------------------------------------------------------------------------ asking

/** Something changed: ask again, at once or, while one draws, in a moment. */
function ask(finished) {
  asked++;
  urgent ||= finished;
  if (main.dataset.busy !== "true") answer();
}

async function answer() {
  main.dataset.busy = "true";
  while (answered !== asked) {
    if (!urgent) await new Promise((resolve) => setTimeout(resolve, PAUSE[engine.kind]));
    urgent = false;
    const turn = asked;
    await answerOnce().catch(showError);
    answered = turn;
  }
  main.dataset.busy = "false";
}

async function answerOnce() {
  const given = {};
  for (const [modality, { panel }] of panels) {
    const each = panel.given();
    if (each) given[modality] = each;
  }
  const { contents, errors, spectra } = await engine.read(given);
  for (const modality of Object.keys(errors)) delete given[modality];
  let [result, failure] = [null, null];
  while (Object.keys(given).length && !result && !failure) {
    try {
      result = await engine.predict(given, contents);
    } catch (error) {
      if (error.modality in given) {
        errors[error.modality] = error.message; // the other senses are asked without it
        delete given[error.modality];
      } else failure = error;
    }
  }
  for (const [modality, { panel, showOpinion, element }] of panels) {
    const seen = result?.seen[modality];
    panel.show({
      content: contents[modality],
      seen,
      spectrum: spectra[modality],
      error: muffled(modality, errors[modality]),
      segments: result?.answer.segments,
    });
    showOpinion(result?.answer.opinions[modality] ?? null);
    element.classList.toggle("unknown", isUnknown(result?.answer.known_alone[modality]));
  }
  if (failure) throw failure;
  if (result) showAnswer(result);
  else showNothing(Object.values(errors)[0]);
}

/** What is unreadable because of noise that one added is no mistake. */
function muffled(modality, error) {
  const { noise } = panels.get(modality).panel;
  return error && noise ? "Nothing is left of it in this noise." : error;
}

// ----------------------------------------------------------------------------- showing

function showAnswer({ answer: said, milliseconds }) {
  const noisy = [...panels].filter(([, { panel }]) => panel.noise > 0).map(([modality]) => modality);
  const { state, headline: head, sentence: text } = sayingOf(engine.model, said, noisy);
  main.dataset.state = state;
  setHeadline(head);
  sentence.textContent = text;
  showTogether(said.scores);
  find("balance").toggleAttribute("data-idle", said.used.length !== 2);
  find("balance").style.setProperty("--balance", balance(said).toFixed(3));
  const known = said.known === null || said.known === undefined ? "" : `known ${percent(said.known)}`;
  const agreement = said.agreement === null ? "" : `agreement ${percent(said.agreement)}`;
  const sure = `sure ${percent(said.scores[0].score)}`;
  facts.textContent = [sure, known, agreement, `${Math.round(milliseconds)} ms`].filter(Boolean).join(" · ");
  readAloud(state === "known" ? `${head}. ${text}` : text);
}

function showNothing(error = "") {
  const { model } = engine;
  const doors = [...panels.values()].map(({ door }) => door);
  main.dataset.state = "empty";
  setHeadline("?");
  sentence.textContent = error || engine.invitation || invitation(model, doors);
  find("balance").toggleAttribute("data-idle", true);
  showTogether(null);
  facts.textContent = isDigits(model) ? "" : `${model.classes.length} classes`;
}

function showError(error) {
  main.dataset.state = "error";
  setHeadline("!");
  sentence.textContent = error.message;
  facts.textContent = "";
  find("balance").toggleAttribute("data-idle", true);
  readAloud(error.message);
  const wait = error.status === 503 ? Math.max(1, error.after) : 0;
  if (wait) setTimeout(() => ask(true), 1000 * wait);
  if (!error.status) console.info(error);
}

function setHeadline(text) {
  headline.textContent = text;
  headline.dataset.length = text.length <= 2 ? "short" : text.length <= 9 ? "word" : "long";
}

/** Tell a screen reader, once nothing changes any more. */
function readAloud(text) {
  clearTimeout(reading);
  reading = setTimeout(() => (spoken.textContent = text), QUIET);
}

function redraw() {
  for (const { panel } of panels.values()) panel.redraw();
  for (const card of document.querySelectorAll(".cards button")) card.redraw();
  taught?.redraw();
}

// ---------------------------------------------------------------------------- keys, drops

function listen() {
  const all = [...panels.values()];
  const speaking = all.find(({ door }) => door === "recording");
  const drawing = all.find(({ door }) => door === "ink");
  const isFree = ({ target }) =>
    !find("token").open && (target.matches?.(".speak") || !target.closest?.("button, input, a, [tabindex='0']"));
  document.addEventListener("keydown", (event) => {
    if (event.code === "Space" && speaking && isFree(event)) {
      event.preventDefault();
      if (!event.repeat) speaking.panel.press();
    }
    if (event.key === "z" && (event.ctrlKey || event.metaKey) && drawing) drawing.panel.undo();
  });
  document.addEventListener("keyup", (event) => {
    if (event.code !== "Space" || !speaking || !isFree(event)) return;
    event.preventDefault();
    speaking.panel.release();
  });

  const take = async (files, target) => {
    for (const file of files) {
      const fits = ({ panel }) => file.type.startsWith(panel.accepts);
      const here = all.find(({ element }) => target && element.contains(target));
      const chosen = all.find(fits) ?? here;
      await (here && fits(here) ? here : chosen)?.panel.choose(file);
    }
  };
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    take(event.dataTransfer.files, event.target);
  });
  document.addEventListener("paste", (event) => take(event.clipboardData?.files ?? []));
}

start().catch((error) => {
  main.dataset.state = "error";
  setHeadline("!");
  sentence.textContent = error.message;
});
