// The console's script: sends forms as JSON, follows events, and listens to keys. No text from data becomes markup
// here: it is set as textContent, and what is swapped in was rendered and escaped by the server.
"use strict";

const byId = (id) => document.getElementById(id);
const SAID = "clearway.said";

function say(text) {
  byId("said").textContent = text;
}

function complain(text) {
  const box = byId("wrong");
  box.textContent = text;
  if (text) box.scrollIntoView({ block: "nearest" });
}

function toSignIn() {
  window.location.assign("/sign-in?next=" + encodeURIComponent(window.location.pathname));
}

// --- forms ----------------------------------------------------------------------------------------------------------

function bodyOf(form) {
  const body = {};
  for (const field of form.elements) {
    if (!field.name || (field.type === "radio" && !field.checked)) continue;
    if (field.hasAttribute("data-optional") && field.value.trim() === "") continue;
    if (field.dataset.kind === "json") {
      try {
        body[field.name] = JSON.parse(field.value);
      } catch {
        field.focus();
        throw new Error("This is no JSON: " + field.name);
      }
    } else {
      body[field.name] = field.value;
    }
  }
  return body;
}

async function send(form) {
  let body;
  try {
    body = bodyOf(form);
  } catch (error) {
    complain(error.message);
    return;
  }
  complain("");
  const button = form.querySelector("button:not([type=button])");
  if (button) button.disabled = true;
  try {
    const answer = await fetch(form.dataset.send, {
      method: form.dataset.method || "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      redirect: "error",
    });
    if (answer.ok) await sent(form, answer);
    else await refused(form, answer);
  } catch {
    complain("The server does not answer. Whether it was recorded is not known: look again before you repeat it.");
  } finally {
    if (button) button.disabled = false;
    gate();
  }
}

async function sent(form, answer) {
  if (form.dataset.into) {
    htmx.swap(form.dataset.into, await answer.text(), { swapStyle: "innerHTML" });
    return;
  }
  if (form.dataset.told) sessionStorage.setItem(SAID, form.dataset.told);
  if (form.dataset.then === "reload") window.location.reload();
  else window.location.assign(form.dataset.then);
}

async function refused(form, answer) {
  const problem = await answer.json().catch(() => ({ detail: "The server could not do this.", remedy: "" }));
  if (answer.status === 401 && form.dataset.send !== "/v1/session") {
    toSignIn();
    return;
  }
  const stepUp = problem.code === "step_up" && document.querySelector("[data-step-up]");
  complain([problem.detail, stepUp ? "" : problem.remedy].filter(Boolean).join(" "));
  if (stepUp) {
    stepUp.hidden = false;
    stepUp.querySelector("a").focus();
  }
  htmx.trigger(document.body, "clearway:changed");
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if ("open" in form.dataset) {
    event.preventDefault();
    openToken(form);
    return;
  }
  if ("batch" in form.dataset) {
    event.preventDefault();
    approveEach(form);
    return;
  }
  if (!form.dataset.send) return;
  event.preventDefault();
  send(form);
});

// --- opening a token: asked for in a dialog, shown where the token stands, and gone with the page ----------------------

let opening = null;

function askToOpen(button) {
  const dialog = byId("open-token");
  const value = button.nextElementSibling;
  if (value) return hide(button, value);
  opening = button;
  dialog.querySelector("[data-open-what]").textContent = button.dataset.openToken;
  dialog.querySelector("[data-open-wrong]").textContent = "";
  dialog.showModal();
  byId("open-token-reason").focus();
}

function hide(button, value) {
  value.remove();
  button.textContent = "open";
  button.setAttribute("aria-label", "Open the value behind this " + button.dataset.openType);
}

async function openToken(form) {
  const dialog = byId("open-token");
  const wrong = dialog.querySelector("[data-open-wrong]");
  const button = opening;
  const send = form.querySelector("button");
  send.disabled = true;
  wrong.textContent = "";
  try {
    const answer = await fetch(dialog.dataset.at, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token: button.dataset.openToken, reason: form.elements.reason.value }),
      cache: "no-store",
      redirect: "error",
    });
    if (answer.ok) return showOpened(button, await answer.text(), "The value is shown at its token.");
    const problem = await answer.json().catch(() => ({ detail: "The server could not do this." }));
    if (answer.status === 401) return toSignIn();
    if (problem.code === "erased") return showOpened(button, null, problem.detail);
    if (problem.code === "step_up") dialog.querySelector("[data-step-up]").hidden = false;
    wrong.textContent = [problem.detail, problem.code === "step_up" ? "" : problem.remedy].filter(Boolean).join(" ");
  } catch {
    wrong.textContent = "The server does not answer. Whether it was recorded is not known.";
  } finally {
    send.disabled = false;
  }
}

// `html`: rendered and escaped by the server; null: only `text` is shown there.
function showOpened(button, html, text) {
  byId("open-token").close();
  const place = document.createElement("span");
  place.className = "opened-at";
  button.after(place);
  if (html === null) place.textContent = text;
  else htmx.swap(place, html, { swapStyle: "innerHTML" });
  button.textContent = "hide";
  button.setAttribute("aria-label", "Hide it again");
  say(text);
  button.focus();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-open-token]");
  if (button) askToOpen(button);
  else if (event.target.closest("[data-open-cancel]")) byId("open-token").close();
});

// However the dialog ends: what was typed was meant for that token.
byId("open-token")?.addEventListener("close", () => (byId("open-token-reason").value = ""));

// Nothing that was opened is kept by the browser, for the way back or else.
window.addEventListener("pagehide", () => {
  for (const one of document.querySelectorAll(".opened-at")) hide(one.previousElementSibling, one);
});

// --- what was written survives a fresh proof of who one is, in this tab, once -------------------------------------------

const DRAFTS = "clearway.drafts";

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-step-up] a")) return;
  const written = [...document.querySelectorAll("textarea[id]")].filter((one) => one.value !== one.defaultValue);
  const drafts = { path: window.location.pathname, texts: written.map((one) => [one.id, one.value]) };
  if (written.length) sessionStorage.setItem(DRAFTS, JSON.stringify(drafts));
});

function takeUpDrafts() {
  const kept = sessionStorage.getItem(DRAFTS);
  if (!kept) return;
  const drafts = JSON.parse(kept);
  if (drafts.path !== window.location.pathname) return;
  sessionStorage.removeItem(DRAFTS);
  for (const [id, text] of drafts.texts) {
    const field = byId(id);
    if (!field) continue;
    field.value = text;
    field.closest("details")?.setAttribute("open", "");
  }
}

// --- several at once: each is sent by itself, with the digest of what was shown of it ---------------------------------

function chosenOf(form) {
  return [...form.querySelectorAll("[name=chosen]:checked")];
}

function sum(form) {
  const chosen = chosenOf(form);
  form.querySelector("[data-count]").textContent = String(chosen.length);
  for (const total of form.querySelectorAll("[data-total]")) {
    const amounts = chosen.map((one) => BigInt(JSON.parse(one.dataset.amounts)[total.dataset.total]));
    total.textContent = String(amounts.reduce((before, one) => before + one, 0n));
  }
  gate();
}

async function approveEach(form) {
  const comment = form.elements.comment.value;
  let failed = 0;
  const chosen = chosenOf(form);
  for (const one of chosen) {
    one.checked = false;
    one.disabled = true;
    const told = one.closest(".batch-row").querySelector("[data-outcome]");
    try {
      const answer = await fetch("/v1/approvals/" + encodeURIComponent(one.value) + "/approve", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ presented_digest: one.dataset.digest, comment }),
        redirect: "error",
      });
      if (answer.status === 401) return toSignIn();
      told.textContent = answer.ok ? "Approved." : (await answer.json()).detail;
      if (!answer.ok) failed += 1;
    } catch {
      told.textContent = "No answer: look at it by itself.";
      failed += 1;
    }
  }
  sum(form);
  say(chosen.length - failed + " approved, " + failed + " not.");
}

document.addEventListener("change", (event) => {
  const form = event.target.closest("[data-batch]");
  if (form) sum(form);
  if (event.target.matches("#tool")) fillIn(event.target);
});

// The arguments that the chosen tool needs, unless somebody has written there.
function fillIn(select) {
  const field = byId("arguments");
  if (!field || (field.value.trim() !== "{}" && field.value !== field.dataset.filled)) return;
  field.value = select.selectedOptions[0]?.dataset.template || "{}";
  field.dataset.filled = field.value;
}

// --- what has to be read before it is approved ------------------------------------------------------------------------

function gate() {
  const unread = [...document.querySelectorAll("[data-must-read]")].some((one) => !one.dataset.opened);
  const standing = document.querySelector("#standing [data-state]");
  const over = standing !== null && standing.dataset.state !== "pending";
  const batch = document.querySelector("[data-batch]");
  const none = batch !== null && chosenOf(batch).length === 0;
  for (const button of document.querySelectorAll("[data-approve]")) button.disabled = unread || over || none;
  for (const note of document.querySelectorAll("[data-unread]")) note.hidden = !unread;
  if (over) for (const field of document.querySelectorAll(".forms button, .forms textarea")) field.disabled = true;
}

document.addEventListener(
  "toggle",
  (event) => {
    if (event.target.matches("[data-must-read]") && event.target.open) {
      event.target.dataset.opened = "yes";
      gate();
    }
  },
  true,
);

// --- news -------------------------------------------------------------------------------------------------------------

const AT_MOST_EVERY_MS = 1000;
// Server-sent events are named: each kind that changes what a page shows has to be listened to by itself.
const KINDS = [
  ...["requested", "voted", "edited", "escalated", "approved", "consumed", "rejected", "expired", "cancelled", "invalidated"].map((end) => "approval." + end),
  ...["requested", "started", "waiting", "resumed", "retried", "cancel_requested", "finished"].map((end) => "run." + end),
  ...["started", "succeeded", "failed", "refused", "in_doubt", "reconciled", "resolved"].map((end) => "action." + end),
  ...["cut", "taken_in", "signed", "promoted", "canary_started", "shadow_started", "rolled_back", "revoked", "reinstate_asked", "reinstated"].map((end) => "release." + end),
];
let stream = null;
let pending = null;

function changed() {
  if (pending !== null) return;
  pending = window.setTimeout(() => {
    pending = null;
    if (document.querySelector("[data-refresh]:not([data-refresh=''])")) refreshRun();
    htmx.trigger(document.body, "clearway:changed");
  }, AT_MOST_EVERY_MS);
}

function refreshRun() {
  if (document.querySelector("#run details[open], #run .opened-at, #open-token[open]")) return; // somebody reads it
  htmx.ajax("GET", window.location.pathname, { target: "#run", select: "#run", swap: "outerHTML" });
}

// A hidden page gives its connection back; it catches up when it is seen again.
function follow() {
  const url = document.body.dataset.live;
  if (!url || url.endsWith("=") || document.hidden || stream !== null) return;
  stream = new EventSource(url);
  for (const kind of KINDS) stream.addEventListener(kind, changed);
  stream.addEventListener("open", () => document.body.classList.add("live"));
}

function unfollow() {
  if (stream !== null) stream.close();
  stream = null;
  document.body.classList.remove("live");
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    unfollow();
  } else {
    follow();
    changed();
  }
});
window.addEventListener("pagehide", unfollow);

document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 401) toSignIn();
  else complain("This part of the page could not be read again.");
});
document.addEventListener("htmx:afterSettle", () => {
  tick();
  gate();
  entitle();
});

// How much waits for me, in the title: seen in a tab that stands behind others.
const TITLE = document.title;

function entitle() {
  const waiting = Number(byId("count")?.dataset.waiting || 0);
  document.title = waiting ? `(${waiting}) ${TITLE}` : TITLE;
}

// --- time left --------------------------------------------------------------------------------------------------------

function told(seconds) {
  if (seconds <= 0) return "expired";
  if (seconds < 60) return Math.floor(seconds) + " s left";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min left";
  if (seconds < 86400) return Math.floor(seconds / 3600) + " h " + Math.floor((seconds % 3600) / 60) + " min left";
  return Math.floor(seconds / 86400) + " d " + Math.floor((seconds % 86400) / 3600) + " h left";
}

function tick() {
  for (const one of document.querySelectorAll("[data-until]")) {
    const text = told((Date.parse(one.dataset.until) - Date.now()) / 1000);
    if (one.textContent !== text) one.textContent = text;
  }
  for (const one of document.querySelectorAll("time[datetime]:not([title])")) {
    one.title = new Date(one.dateTime).toLocaleString();
  }
}

// --- keys -------------------------------------------------------------------------------------------------------------

let going = 0;

function rows() {
  return [...document.querySelectorAll("[data-list] a.row, .batch-row input[name=chosen]:enabled")];
}

function step(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.indexOf(document.activeElement);
  all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + by))].focus();
}

function click(selector) {
  const found = document.querySelector(selector);
  if (found) found.click();
}

function openAll() {
  for (const one of document.querySelectorAll("details.must-read")) one.open = true;
}

function edit() {
  const part = byId("edit");
  if (!part) return;
  part.open = true;
  (byId("edit-arguments") || part).focus();
}

const KEYS = {
  j: () => step(1),
  k: () => step(-1),
  a: () => byId("approve")?.focus(),
  r: () => byId("reject-comment")?.focus(),
  e: edit,
  x: openAll,
  n: () => click("[data-next]"),
  u: () => click("[data-up]"),
  "?": () => byId("help")?.showModal(),
  g: () => {
    going = Date.now();
  },
};

document.addEventListener("keydown", (event) => {
  const writes = event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select");
  if (writes && event.key === "Enter" && (event.ctrlKey || event.metaKey) && writes.form?.matches("[data-send], [data-open]")) {
    event.preventDefault();
    writes.form.requestSubmit();
    return;
  }
  if (event.key === "Escape" && writes) writes.blur();
  if (writes || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (Date.now() - going < 1500) {
    going = 0;
    click(`[data-go="${CSS.escape(event.key)}"]`);
    return;
  }
  const act = KEYS[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

// --- begin ------------------------------------------------------------------------------------------------------------

function begin() {
  const kept = sessionStorage.getItem(SAID);
  sessionStorage.removeItem(SAID);
  if (kept) say(kept);
  const token = new URLSearchParams(window.location.hash.slice(1)).get("token");
  const way = document.querySelector("[data-start-token]");
  if (way && token) {
    way.elements.token.value = token;
    way.elements.user.focus();
    // The token is not to stay in the address bar or the history.
    window.history.replaceState(null, "", window.location.pathname);
  }
  document.querySelector("[data-help]")?.addEventListener("click", () => byId("help").showModal());
  tick();
  if (document.querySelector("[data-batch]")) sum(document.querySelector("[data-batch]"));
  if (byId("tool")) fillIn(byId("tool"));
  takeUpDrafts();
  entitle();
  gate();
  follow();
  window.setInterval(tick, 1000);
}

begin();
