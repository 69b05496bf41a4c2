"use strict";
// One page, two sources: the data in the file, or the service that the page came from. Both answer the same questions.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const FOUND = Math.min(24, data.items);
const LONGEST = 1000; // events of a history that the service takes

const ofFile = {
  item: (token) => ({ item: token, ...(data.catalogue[token] || { title: null, fields: {}, picture: null }) }),
  async users(query) {
    return data.users.filter((user) => user.user.includes(query));
  },
  async history(user) {
    return user.history.map((event) => ({ ...this.item(event.item), time: event.time }));
  },
  async recommend(state) {
    return { rows: state.user.items.map((row) => ({ ...this.item(row.item), ...row })), note: "" };
  },
  async search(query) {
    const words = query.text.toLowerCase().split(/\s+/).filter(Boolean);
    const found = Object.entries(data.catalogue).filter(([token, item]) => {
      const text = [token, item.title, ...Object.values(item.fields || {})].join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    });
    const shown = found.slice(0, FOUND).map(([token]) => this.item(token));
    return { rows: shown, note: `${found.length.toLocaleString("en")} of the titles in this file have these words` };
  },
  async why(state, row) {
    return row.why.map((reason) => ({ ...reason, title: this.item(reason.what).title }));
  },
};

const ofService = {
  async ask(path, body) {
    const form = body instanceof FormData;
    const options = body === undefined ? {} : {
      method: "POST",
      headers: form ? {} : { "Content-Type": "application/json" },
      body: form ? body : JSON.stringify(body),
    };
    const answer = await fetch(path, options);
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(typeof said.detail === "string" ? said.detail : `the service answered ${answer.status}`);
    return said;
  },
  async users(query) {
    return (await this.ask(`/users?limit=50&query=${encodeURIComponent(query)}`)).users;
  },
  async history(user) {
    return (await this.ask(`/users/${encodeURIComponent(user.user)}`)).history;
  },
  past(state) {
    if (!state.changed) return { user: state.user.user }; // of any length
    const events = state.history.filter((event) => event.known !== false).slice(-LONGEST);
    const times = events.map((event) => event.time);
    return { history: events.map((event) => event.item), ...(times.length && times.every((time) => time !== null && time !== undefined) ? { times } : {}) };
  },
  async recommend(state) {
    const said = await this.ask("/recommend", { ...this.past(state), k: Math.min(12, data.items) });
    const cut = state.changed && state.history.length > LONGEST;
    const notes = cut ? [`of the changed history the last ${LONGEST.toLocaleString("en")} items are read`, ...said.notes] : said.notes;
    return { rows: said.results[0].items, note: notes.join("; ") };
  },
  async search(query, state) {
    const past = query.forMe && state.history.length ? this.past(state) : {};
    if (query.picture) {
      const form = new FormData();
      form.append("image", query.picture);
      form.append("k", FOUND);
      for (const [name, values] of Object.entries(past)) for (const value of [values].flat()) form.append(name, value);
      return { rows: (await this.ask("/search/image", form)).items, note: "Items nearest to the picture" };
    }
    if (query.like) return { rows: (await this.ask("/search", { like: query.like, ...past, k: FOUND })).items, note: "" };
    try {
      const { items } = await this.ask("/search", { text: query.text, ...past, k: FOUND });
      return { rows: items, note: "Items nearest to these words" };
    } catch (problem) { // a model without texts, or an encoder that is not installed: titles can still be read
      const { items } = await this.ask(`/items?limit=${FOUND}&query=${encodeURIComponent(query.text)}`);
      if (!items.length) throw problem;
      return { rows: items.filter((item) => item.known), note: `Titles with these words (${problem.message})` };
    }
  },
  async why(state, row) {
    return (await this.ask("/explain", { ...this.past(state), item: row.item })).effects;
  },
};

const turns = {};
const source = data.live ? ofService : ofFile;
const state = { user: null, history: [], changed: true }; // changed: not, or no longer, the user's own history

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const called = (item) => item.title || item.item;
const day = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);

function picture(item) {
  const blank = make("div", { class: "blank", role: "img", "aria-label": `${called(item)}: no picture` },
    Array.from(called(item))[0].toUpperCase(), make("small", {}, "no picture"));
  if (!item.picture) return blank;
  const image = make("img", { src: item.picture, alt: called(item), loading: "lazy" });
  image.addEventListener("error", () => image.replaceWith(blank));
  return image;
}

function card(item, { rank = null, acts = [] } = {}) {
  const others = Object.values(item.fields || {}).filter((text) => text !== item.title).join(" · ");
  const when = item.time === null || item.time === undefined ? null : day(item.time);
  const seen = rank && state.history.some((event) => event.item === item.item) ? "in the history" : null;
  const score = rank && Number.isFinite(item.score) ? `score ${item.score.toPrecision(3)}` : null;
  const more = [when, score, seen, others].filter(Boolean).join(" · ");
  return make("li", { class: "card", tabindex: "0", "data-item": item.item, "aria-label": (rank ? `${rank}. ` : "") + called(item) },
    make("div", { class: "picture" }, rank ? make("span", { class: "rank", "aria-hidden": "true" }, String(rank)) : null, picture(item)),
    make("div", { class: "words" },
      make("div", { class: "title", title: called(item) }, called(item)),
      more ? make("div", { class: "more" }, more) : null,
      acts.length ? make("div", { class: "acts" }, ...acts.map(([label, act]) => make("button", { type: "button", onclick: act, "aria-label": `${label}: ${called(item)}` }, label))) : null));
}

const chosen = (item) => [
  ["Similar", () => find({ like: [item.item] }, `Like ${called(item)}`)],
  ["Add", () => change([...state.history, { ...item, time: lastTime(), known: true }])],
];
const lastTime = () => (state.history.length ? state.history[state.history.length - 1].time : null);

function drawHistory() {
  const events = state.history.map((event, place) => [event, place]).reverse();
  const drop = (place) => [["Remove", () => change(state.history.filter((_, other) => other !== place))]];
  $("history").replaceChildren(...events.map(([event, place]) => card(event, { acts: data.live ? drop(place) : [] })));
  const total = state.user && state.user.events;
  const cut = !data.live && total > events.length ? ` of ${total.toLocaleString("en")}` : "";
  $("history-note").textContent = events.length ? `${events.length.toLocaleString("en")}${cut} items, the latest first` : "Empty: add items that a search finds.";
}

function drawItems({ rows, note }) {
  $("items").replaceChildren(...rows.map((row, place) => card(row, {
    rank: place + 1,
    acts: [["Why?", () => explain(row)], ...(data.live ? chosen(row) : [])],
  })));
  $("recommended-note").textContent = note || (rows.length ? "" : "Nothing is left to recommend.");
}

const recommendNext = guarded("history", async () => {
  if (!state.history.length) return () => drawItems({ rows: [], note: "Nothing without a history." });
  const answer = await source.recommend(state);
  return () => drawItems(answer);
}, () => drawItems({ rows: [], note: "" })); // what an earlier history got does not stay

function show(history, changed) {
  Object.assign(state, { history, changed });
  turns.reasons = (turns.reasons || 0) + 1; // reasons on their way are those of the earlier history
  drawHistory();
  return recommendNext();
}
const change = (history) => show(history, true);

const choose = guarded("history", async (user) => {
  const history = await source.history(user);
  return () => {
    state.user = user;
    for (const button of $("users").querySelectorAll("button")) button.setAttribute("aria-current", String(button.dataset.user === user.user));
    return show(history, false);
  };
}, () => recommendNext()); // for the history that stays

const listUsers = guarded("users", async () => {
  const users = await source.users($("user-query").value.trim());
  return () => drawUsers(users);
});

function drawUsers(users) {
  $("users").replaceChildren(...users.map((user) => make("li", {},
    make("button", { type: "button", "data-user": user.user, "aria-current": String(state.user !== null && state.user.user === user.user), onclick: () => choose(user) },
      user.user, make("small", {}, `${user.events.toLocaleString("en")} items`)))));
  if (!state.user && users.length) choose(users[0]);
}

const find = guarded("search", async (query, heading = "") => {
  const { rows, note } = await source.search({ ...query, forMe: Boolean($("for-me") && $("for-me").checked) }, state);
  return () => {
    $("found").replaceChildren(...rows.map((row) => card(row, { acts: data.live ? chosen(row) : [] })));
    $("found-note").textContent = rows.length ? heading || note : "Nothing found.";
    if (heading) $("found-note").scrollIntoView({ block: "nearest" });
  };
});

const explain = guarded("reasons", async (row) => {
  const reasons = (await source.why(state, row)).filter((reason) => reason.effect !== null);
  return () => drawReasons(row, reasons);
});

// A question like the others, so that an answer still on its way does not come back.
const clearFound = guarded("search", async () => () => {
  $("found").replaceChildren();
  $("found-note").textContent = "";
});

function drawReasons(row, reasons) {
  const groups = [["history item", "Without an item of the history"], ["modality of the history", "Without a modality of the history"], ["modality of the item", "Without a modality of this item"]];
  $("why-title").textContent = `Why ${called(row)}?`;
  $("reasons").replaceChildren(...groups.flatMap(([kind, heading]) => {
    const own = reasons.filter((reason) => reason.left_out === kind).sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect)).slice(0, 10);
    const most = Math.max(...own.map((reason) => Math.abs(reason.effect)), 1e-9);
    return own.length ? [make("h3", {}, heading), ...own.map((reason) => line(reason, most))] : [];
  }));
  if (!reasons.length) $("reasons").textContent = "A history of one item: there is no prediction without it.";
  $("why").showModal();
}

function line(reason, most) {
  const filled = make("i", { class: reason.effect < 0 ? "against" : null });
  filled.style.width = `${(50 * Math.abs(reason.effect)) / most}%`;
  const name = reason.title || reason.what;
  return make("div", { class: "reason" }, make("b", { title: name }, name), make("span", { class: "bar", "aria-hidden": "true" }, filled),
    make("span", {}, (reason.effect < 0 ? "−" : "+") + Math.abs(reason.effect).toPrecision(2)));
}

// Answers may come in another order than their questions: of each kind only the last one's is drawn.
function guarded(kind, work, orElse = () => {}) {
  return async (...given) => {
    const turn = (turns[kind] = (turns[kind] || 0) + 1);
    $("problem").hidden = true;
    try {
      const draw = await work(...given);
      if (turn === turns[kind]) await draw();
    } catch (error) {
      if (turn !== turns[kind]) return;
      orElse();
      $("problem").textContent = error.message;
      $("problem").hidden = false;
    }
  };
}

function theme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  $("theme").textContent = dark ? "Light" : "Dark";
}

// Arrow keys move among the cards of a list and among the users.
document.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const list = event.target.closest && event.target.closest(".cards, .users");
  if (!step || !list) return;
  const stops = [...list.querySelectorAll(list.classList.contains("users") ? "button" : ".card")];
  const next = stops[stops.indexOf(event.target.closest(".card, .users button")) + step];
  if (next) { next.focus(); event.preventDefault(); }
});
// Enter on a card does what its first button does.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.classList.contains("card")) return;
  const button = event.target.querySelector("button");
  event.preventDefault(); // or the key would go on to what the button opens
  if (button) button.click();
});

$("facts").textContent = `${data.model}, ${data.items.toLocaleString("en")} items${data.modalities.length ? ", " + data.modalities.join(" and ") : ""}`;
$("theme").addEventListener("click", () => theme($("theme").textContent === "Dark"));
$("theme").textContent = matchMedia("(prefers-color-scheme: dark)").matches ? "Light" : "Dark";
$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("words").value.trim();
  if (text) find({ text });
  else clearFound();
});
let typing;
$("user-query").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(listUsers, 200); });
if ($("drop") && data.modalities.includes("image")) {
  $("drop").hidden = false;
  const take = (file) => file && find({ picture: file }, `Like the picture ${file.name}`);
  $("picture").addEventListener("change", () => take($("picture").files[0]));
  for (const kind of ["dragover", "dragleave", "drop"]) {
    $("drop").addEventListener(kind, (event) => {
      event.preventDefault();
      $("drop").classList.toggle("over", kind === "dragover");
      if (kind === "drop") take(event.dataTransfer.files[0]);
    });
  }
}
drawHistory();
listUsers();
