// Live regions: fetch this same page again, put in what changed, piece by piece, so that focus, scroll and ticked boxes stay.
const EVERY = 2000;

const regions = (root) => [...root.querySelectorAll("[data-live]")];

export function keepLive(prepare) {
  const whole = "#state, #home, #jobs, #sessions, #session";
  const waiting = () => document.querySelector(whole)?.hasAttribute("data-final") === false;
  if (!waiting()) return;
  let running = false;
  const look = async () => {
    if (running || document.hidden || !waiting()) return;
    running = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
      if (answer.ok) renew(new DOMParser().parseFromString(await answer.text(), "text/html"), prepare);
    } catch { /* The next look may do better; what is shown stays. */ } finally { running = false; }
  };
  setInterval(look, EVERY);
  document.addEventListener("visibilitychange", look);
}

function renew(page, prepare) {
  for (const old of regions(document)) {
    const fresh = page.getElementById(old.id);
    if (!fresh) continue;
    prepare(fresh);
    merge(old, fresh);
  }
}

// Make `old` like `fresh`, touching only what differs. What a reader has opened stays open, with what was put into it.
function merge(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeName !== fresh.nodeName || old.id !== fresh.id) { old.replaceWith(fresh); return; }
  if (old.nodeType !== Node.ELEMENT_NODE) { if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue; return; }
  if ("keep" in old.dataset) return;
  if (old.open && old.nodeName === "DETAILS") fresh.open = true;
  for (const name of old.getAttributeNames()) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const name of fresh.getAttributeNames()) if (old.getAttribute(name) !== fresh.getAttribute(name)) old.setAttribute(name, fresh.getAttribute(name));
  mergeChildren(old, fresh);
}

// A node that is moved loses focus, so what stands in the way of a known child is removed rather than jumped over.
function mergeChildren(old, fresh) {
  const kept = new Set([...fresh.children].map((child) => child.id).filter(Boolean));
  const byId = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let place = old.firstChild;
  const drop = () => { const next = place.nextSibling; place.remove(); place = next; };
  for (const wanted of [...fresh.childNodes]) {
    const known = wanted.id ? byId.get(wanted.id) : undefined;
    while (known && place && place !== known && !kept.has(place.id)) drop();
    const match = wanted.id ? known : place && !kept.has(place.id) ? place : undefined;
    if (!match) { old.insertBefore(wanted, place); continue; }
    if (match !== place) old.insertBefore(match, place);
    place = match.nextSibling;
    merge(match, wanted);
  }
  while (place) drop();
}
