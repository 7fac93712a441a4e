// Times in UTC, as the server writes them, or in the zone of this browser; the choice is kept
// in the browser. A time is an element `time`; `data-zone` says in which zone they are shown.
"use strict";

(() => {
  const KEY = "ptingest.zone";
  const place = document.getElementById("zones");
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "local time";
  let isLocal = false;
  try { isLocal = localStorage.getItem(KEY) === "local"; } catch { /* not kept, then */ }

  const digits = (number, length = 2) => String(number).padStart(length, "0");

  // As the server writes a time: `2025-01-02 03:04:05.678`, or its beginning.
  function local(text, length) {
    const at = new Date(text);
    if (Number.isNaN(at.getTime())) return null;
    const day = `${digits(at.getFullYear(), 4)}-${digits(at.getMonth() + 1)}-${digits(at.getDate())}`;
    const time = `${digits(at.getHours())}:${digits(at.getMinutes())}:${digits(at.getSeconds())}`;
    return `${day} ${time}.${digits(at.getMilliseconds(), 3)}`.slice(0, length);
  }

  const all = (root, selector) => [
    ...(root.matches?.(selector) ? [root] : []), ...root.querySelectorAll(selector),
  ];

  function show(root) {
    for (const one of all(root, "time[datetime]")) {
      one.dataset.utc ??= one.textContent;
      one.textContent = (isLocal && local(one.dateTime, one.dataset.utc.length)) || one.dataset.utc;
    }
    for (const one of all(root, "[data-words]")) {
      const words = one.dataset.words;
      const text = ((isLocal && local(one.dataset.start, 19)) || words.slice(0, 19)) + words.slice(19);
      one.setAttribute("aria-label", text);
      one.querySelector("title").textContent = text;
    }
    for (const one of all(root, "[data-zone]")) one.textContent = isLocal ? zone : "UTC";
  }

  function choose(local) {
    isLocal = local;
    try { localStorage.setItem(KEY, local ? "local" : "utc"); } catch { /* not kept, then */ }
    show(document);
    mark();
  }

  const mark = () => [...place.children].forEach((one, at) => one.setAttribute("aria-pressed", String(isLocal === (at === 1))));

  function button(text, local) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", () => choose(local));
    return made;
  }

  if (place) {
    place.append(button("UTC", false), button(zone === "UTC" ? "local time" : zone, true));
    place.hidden = false;
    mark();
  }
  if (isLocal) show(document);
  new MutationObserver((changes) => {
    if (!isLocal) return;
    for (const change of changes) change.addedNodes.forEach((one) => { if (one.nodeType === Node.ELEMENT_NODE) show(one); });
  }).observe(document.getElementById("content"), { childList: true, subtree: true });

  // What is typed without a zone is meant in the zone that is shown.
  document.getElementById("ask")?.addEventListener("submit", () => {
    for (const name of ["since", "until"]) {
      const field = document.getElementById(name);
      const text = field.value.trim();
      if (!isLocal || !/^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,3})?)?)?$/.test(text)) continue;
      const at = new Date(text.length === 10 ? `${text}T00:00` : text.replace(" ", "T"));
      if (!Number.isNaN(at.getTime())) field.value = at.toISOString();
    }
  });
})();
