// Explore made comfortable: completion, rows that open in place, a live tail, keys, dragging
// over the histogram. What is put into the page is either text or was rendered by the server.
"use strict";

(() => {
  const query = document.getElementById("q");
  const form = document.getElementById("ask");
  const list = document.getElementById("completions");
  const hits = document.getElementById("hits");
  const body = hits ? hits.tBodies[0] : null;

  // --- completion ------------------------------------------------------------------------

  let items = [];
  let chosen = -1;
  let start = 0;
  let asking = null;

  function close() {
    list.hidden = true;
    items = [];
    chosen = -1;
    query.setAttribute("aria-expanded", "false");
    query.removeAttribute("aria-activedescendant");
  }

  function mark(at) {
    chosen = at;
    [...list.children].forEach((one, number) => one.setAttribute("aria-selected", String(number === at)));
    if (at >= 0) {
      query.setAttribute("aria-activedescendant", list.children[at].id);
      list.children[at].scrollIntoView({ block: "nearest" });
    }
  }

  function take(at) {
    const end = query.selectionStart;
    let text = items[at].text;
    const opened = query.value[start] === '"';
    if (opened && !text.startsWith('"')) text = `"${text}"`;
    query.value = query.value.slice(0, start) + text + query.value.slice(end);
    const place = start + text.length;
    query.setSelectionRange(place, place);
    close();
    if (text.endsWith(":")) ask();
  }

  function offer(answer) {
    items = answer.items;
    start = answer.start;
    list.replaceChildren(...items.map((item, number) => {
      const row = document.createElement("li");
      const note = document.createElement("span");
      row.id = `completion-${number}`;
      row.setAttribute("role", "option");
      row.append(item.text, note);
      note.textContent = item.note;
      row.addEventListener("mousedown", (event) => { event.preventDefault(); take(number); });
      return row;
    }));
    list.hidden = items.length === 0;
    query.setAttribute("aria-expanded", String(items.length > 0));
    mark(-1);
  }

  async function ask() {
    if (asking) asking.abort();
    asking = new AbortController();
    const parts = new URLSearchParams({ q: query.value, at: String(query.selectionStart) });
    try {
      const answer = await fetch(`explore/complete?${parts}`, { signal: asking.signal });
      if (answer.ok && document.activeElement === query) offer(await answer.json());
    } catch {
      // Asked anew meanwhile, or no server answers: then there is nothing to offer.
    }
  }

  let waiting = 0;
  query.setAttribute("role", "combobox");
  query.setAttribute("aria-autocomplete", "list");
  query.setAttribute("aria-controls", "completions");
  query.setAttribute("aria-expanded", "false");
  query.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(ask, 120); });
  query.addEventListener("blur", close);
  query.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      if (list.hidden) query.blur(); else close();
      event.preventDefault();
      event.stopPropagation();
    } else if (event.key === "ArrowDown" && list.hidden) {
      ask();
      event.preventDefault();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && items.length) {
      const step = event.key === "ArrowDown" ? 1 : -1;
      mark((chosen + step + items.length) % items.length);
      event.preventDefault();
    } else if ((event.key === "Enter" && chosen >= 0) || (event.key === "Tab" && items.length && !event.shiftKey)) {
      take(Math.max(0, chosen));
      event.preventDefault();
    }
  });

  // --- a span of the histogram, by dragging or with Shift and the arrow keys ---------------

  let first = null;
  let last = null;
  let wasDragged = false;
  const steps = () => [...document.querySelectorAll("#plot .step")];

  function ends() {
    const now = steps();
    const [from, to] = [now.indexOf(first), now.indexOf(last)].sort((a, b) => a - b);
    return [now, from, to];
  }

  function show() {
    const [now, from, to] = ends();
    now.forEach((one, at) => one.classList.toggle("chosen", first !== last && at >= from && at <= to));
  }

  function drop() {
    first = last = null;
    steps().forEach((one) => one.classList.remove("chosen"));
  }

  function go() {
    const [now, from, to] = ends();
    document.getElementById("since").value = now[from].dataset.start;
    document.getElementById("until").value = now[to].dataset.end;
    form.requestSubmit();
  }

  const stepOf = (event) => event.target.closest?.("#plot .step");
  document.addEventListener("pointerdown", (event) => {
    wasDragged = false;
    if (event.button === 0 && stepOf(event)) first = last = stepOf(event);
  });
  document.addEventListener("dragstart", (event) => { if (stepOf(event)) event.preventDefault(); });
  document.addEventListener("pointerover", (event) => {
    if (first && stepOf(event) && event.buttons & 1) { last = stepOf(event); show(); }
  });
  document.addEventListener("click", (event) => { if (wasDragged && stepOf(event)) event.preventDefault(); });
  document.addEventListener("pointerup", () => {
    wasDragged = first !== null && first !== last;
    if (wasDragged) go();
    first = last = null;
  });
  document.addEventListener("keydown", (event) => {
    const step = stepOf(event);
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) {
      const now = steps();
      const next = now[now.indexOf(step) + by];
      if (!next) return;
      if (event.shiftKey) { first ??= step; last = next; show(); } else drop();
      next.focus();
    } else if (event.key === "Enter" && first && first !== last) {
      go();
    } else if (event.key === "Escape" && first) {
      drop();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });

  if (!body) return;

  // --- rows that open in place ------------------------------------------------------------

  const rows = () => [...body.querySelectorAll("tr.hit")];
  let current = null;

  function select(row) {
    if (current) current.removeAttribute("aria-selected");
    current = row;
    if (!row) return;
    row.setAttribute("aria-selected", "true");
    const link = row.querySelector(".when a");
    link.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  const opened = (row) => row.nextElementSibling?.classList.contains("opened") ? row.nextElementSibling : null;

  function shut(row) {
    const below = opened(row);
    if (below) below.remove();
    row.querySelector(".when a").setAttribute("aria-expanded", "false");
    return below !== null;
  }

  async function open(row) {
    const link = row.querySelector(".when a");
    let found = null;
    try {
      const answer = await fetch(link.href, { headers: { Accept: "text/html" } });
      found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("document");
    } catch {
      // Nobody answers; the browser says so on the page of its own.
    }
    if (!found) { location.href = link.href; return; }
    if (opened(row)) return;
    // Several may be open: names of one page are not names of this one.
    found.querySelector("h1").removeAttribute("id");
    found.setAttribute("aria-label", found.querySelector("h1").textContent);
    found.removeAttribute("aria-labelledby");
    found.removeAttribute("id");
    const below = document.createElement("tr");
    const cell = below.insertCell();
    below.className = "opened";
    cell.colSpan = row.cells.length;
    const whole = document.createElement("p");
    const own = document.createElement("a");
    own.href = link.href;
    own.textContent = "Open on its own page";
    whole.append(own);
    cell.append(document.adoptNode(found), whole);
    row.after(below);
    link.setAttribute("aria-expanded", "true");
  }

  const toggle = (row) => { if (!shut(row)) open(row); };

  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr.hit");
    if (!row || event.ctrlKey || event.metaKey || event.shiftKey || !document.getSelection().isCollapsed) return;
    const link = event.target.closest("a");
    if (link && !link.closest(".when")) return;
    event.preventDefault();
    select(row);
    toggle(row);
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, summary")) return;
    const all = rows();
    const at = all.indexOf(current);
    const isOnRow = event.target === document.body || event.target.closest("tr.hit");
    if (event.key === "j" || (event.key === "ArrowDown" && isOnRow && current)) {
      select(all[Math.min(all.length - 1, at + 1)]);
    } else if (event.key === "k" || (event.key === "ArrowUp" && isOnRow && current)) {
      select(all[Math.max(0, at - 1)]);
    } else if (event.key === "Escape") {
      const row = event.target.closest(".opened")?.previousElementSibling || current;
      if (!row || !shut(row)) return;
      select(row);
    } else {
      return;
    }
    event.preventDefault();
  });

  // --- live tail --------------------------------------------------------------------------

  const ROWS_MOST = 500;
  const COUNT_SECONDS = 3;
  const live = document.getElementById("live");
  const state = document.getElementById("tail-state");
  let lastId = "";
  let following = null;
  let isOn = false;
  let turns = 0;
  let seen = 0;
  let isCut = false;
  let counted = 0;
  let counting = 0;

  const tell = (text) => { state.hidden = false; if (state.textContent !== text) state.textContent = text; };

  // The sum, the histogram and the values: the page is asked for again, and these are swapped.
  async function count() {
    counting = 0;
    counted = Date.now();
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!answer?.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of ["sum", "timeline", "facets"]) {
      const here = document.getElementById(id);
      const next = fresh.getElementById(id);
      if (!here || !next || here.contains(document.activeElement)) continue;
      const open = [...here.querySelectorAll("details")].map((one) => one.open);
      here.replaceChildren(...[...next.childNodes].map((one) => document.adoptNode(one)));
      here.querySelectorAll("details").forEach((one, at) => { one.open = open[at] ?? one.open; });
    }
  }

  function countSoon() {
    counting ||= setTimeout(count, Math.max(0, counted + COUNT_SECONDS * 1000 - Date.now()));
  }

  async function rowsAfter(signal) {
    const answer = await fetch(`${live.dataset.tail}&after=${encodeURIComponent(lastId)}`, { signal });
    if (!answer.ok) { stop(); tell(`Live tail stopped: ${(await answer.text()).trim()}`); return; }
    lastId = answer.headers.get("X-Last-Id");
    isCut = isCut || answer.headers.get("X-Cut") === "yes";
    const part = new DOMParser().parseFromString(`<table>${await answer.text()}</table>`, "text/html");
    const fresh = [...part.querySelectorAll("tr.hit")];
    body.querySelectorAll(".fresh").forEach((one) => one.classList.remove("fresh"));
    fresh.forEach((one) => one.classList.add("fresh"));
    body.prepend(...fresh.map((one) => document.adoptNode(one)));
    rows().slice(ROWS_MOST).forEach((one) => { shut(one); one.remove(); });
    seen += fresh.length;
    if (fresh.length) countSoon();
    if (!seen) tell("Live: waiting for what is stored next.");
    else tell(`Live: ${seen} new${isCut ? "; more came than can be shown, narrow the query to see all" : ""}.`);
  }

  async function follow() {
    const turn = (turns += 1);
    while (isOn && !document.hidden && turn === turns) {
      following = new AbortController();
      try {
        await rowsAfter(following.signal);
      } catch (error) {
        if (error.name === "AbortError") return;
        tell("Live tail: no answer, retrying.");
        await new Promise((resolve) => { setTimeout(resolve, 2000); });
      }
    }
  }

  function set(isNowOn, text) {
    isOn = isNowOn;
    live.setAttribute("aria-pressed", String(isOn));
    live.textContent = text;
  }

  function stop() {
    set(false, "Go on");
    following?.abort();
  }

  live.hidden = false;
  live.addEventListener("click", () => {
    if (isOn) { stop(); tell("Live tail is paused; what is stored meanwhile is shown when it goes on."); return; }
    set(true, "Pause");
    tell("Live: waiting for what is stored next.");
    follow();
  });
  document.addEventListener("visibilitychange", () => {
    if (!isOn) return;
    if (document.hidden) { following?.abort(); tell("Live tail is paused while the page is hidden."); } else follow();
  });
})();
