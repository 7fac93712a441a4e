// What makes the console comfortable; every page can be read without it.
//
// Elements with `data-refresh` and an id are fetched again with their page and swapped, every
// few seconds while somebody looks. Nothing is put into a page but what the server rendered.
"use strict";

(() => {
  const SECONDS = 5;
  const shown = document.getElementById("refreshing");
  let timer = 0;
  let paused = false;

  const parts = () => [...document.querySelectorAll("[data-refresh][id]")];

  const isInUse = (part) => {
    const chosen = document.getSelection();
    const selects = chosen && !chosen.isCollapsed && part.contains(chosen.anchorNode);
    return part.contains(document.activeElement) || selects;
  };

  const say = (text) => {
    const words = shown.querySelector("span");
    if (words.textContent !== text) words.textContent = text;
  };

  async function refresh() {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "manual" });
    // The session is over: the login comes back here.
    if (answer.type === "opaqueredirect" || answer.status === 401) return location.reload();
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of parts()) {
      const next = fresh.getElementById(part.id);
      if (next && next.innerHTML !== part.innerHTML && !isInUse(part)) {
        const open = [...part.querySelectorAll("details")].map((one) => one.open);
        const places = [...part.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
        const ticked = [...part.querySelectorAll("input:checked")].map((one) => `${one.name} ${one.value}`);
        const chosen = [...part.querySelectorAll("select")].map((one) => one.value);
        part.replaceChildren(...next.childNodes);
        part.querySelectorAll("input[type=checkbox]").forEach((one) => { one.checked = ticked.includes(`${one.name} ${one.value}`); });
        part.querySelectorAll("select").forEach((one, at) => { one.value = chosen[at] || one.value; });
        part.querySelectorAll(".scroll").forEach((one, at) => { one.scrollLeft = places[at] || 0; });
        part.querySelectorAll("details").forEach((one, at) => { one.open = open[at] || one.open; });
      }
    }
    document.dispatchEvent(new Event("console:refreshed"));
    return undefined;
  }

  async function turn() {
    clearTimeout(timer);
    if (paused || document.hidden) return;
    try {
      await refresh();
      say("live");
    } catch {
      say("no answer, retrying");
    }
    timer = setTimeout(turn, SECONDS * 1000);
  }

  function begin() {
    if (!parts().length) return;
    const words = document.createElement("span");
    const button = document.createElement("button");
    button.className = "quiet";
    button.type = "button";
    button.textContent = "Pause";
    button.addEventListener("click", () => {
      paused = !paused;
      button.textContent = paused ? "Go on" : "Pause";
      say(paused ? "paused" : "live");
      turn();
    });
    shown.append(words, " ", button);
    shown.hidden = false;
    say("live");
    document.addEventListener("visibilitychange", turn);
    timer = setTimeout(turn, SECONDS * 1000);
  }

  // A table of things to tick gets a box in its head that ticks them all.
  function addTickAll() {
    for (const table of document.querySelectorAll("table[data-tick-all]")) {
      const head = table.querySelector("thead .tick");
      if (!head || head.querySelector("input")) continue;
      const boxes = () => [...table.querySelectorAll(`tbody input[name=${table.dataset.tickAll}]`)];
      const box = document.createElement("input");
      box.type = "checkbox";
      box.setAttribute("aria-label", "Choose all that are shown");
      const follow = () => {
        const ticked = boxes().filter((one) => one.checked).length;
        box.checked = ticked > 0 && ticked === boxes().length;
        box.indeterminate = ticked > 0 && !box.checked;
      };
      box.addEventListener("change", () => boxes().forEach((one) => { one.checked = box.checked; }));
      table.addEventListener("change", (event) => { if (event.target !== box) follow(); });
      head.replaceChildren(box);
      follow();
    }
  }

  document.addEventListener("console:refreshed", addTickAll);
  addTickAll();

  // A table that is wider than its place says so.
  function markCut() {
    for (const one of document.querySelectorAll(".scroll")) {
      const isCut = one.scrollWidth > one.clientWidth + 1;
      one.toggleAttribute("data-cut", isCut && one.scrollLeft + one.clientWidth < one.scrollWidth - 1);
    }
  }

  window.addEventListener("resize", markCut);
  document.addEventListener("console:refreshed", markCut);
  document.addEventListener("scroll", (event) => { if (event.target.matches?.(".scroll")) markCut(); }, true);
  document.addEventListener("toggle", markCut, true);
  markCut();

  // `/` goes to the page's search field, as in many places.
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    const field = document.querySelector("[data-search]");
    if (!field) return;
    event.preventDefault();
    field.focus();
    field.select();
  });

  begin();
})();
