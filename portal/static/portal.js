// What every page shares: times in the reader's zone, the theme button, copy buttons; and what a page has of its own.
import { keepLive } from "./live.js";
import { followLog } from "./log.js";

const short = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.valueOf())) time.textContent = ("seconds" in time.dataset ? exact : short).format(moment);
  }
}

function themeButton(button) {
  const words = { system: "follow the system", light: "light", dark: "dark" };
  const next = { system: "light", light: "dark", dark: "system" };
  const current = () => localStorage.getItem("theme") ?? "system";
  const tell = () => button.setAttribute("aria-label", `Theme: ${words[current()]}`);
  button.addEventListener("click", () => {
    const chosen = next[current()];
    if (chosen === "system") { localStorage.removeItem("theme"); delete document.documentElement.dataset.theme; }
    else { localStorage.setItem("theme", chosen); document.documentElement.dataset.theme = chosen; }
    tell();
  });
  button.hidden = false;
  tell();
}

function copyButton(button) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}

// A closed part that holds a link to what stands on another page: opened, it holds that itself.
async function lateText({ target: part }) {
  if (!part.dataset.tail || !part.open || part.querySelector("pre")) return;
  const answer = await fetch(part.dataset.tail, { headers: { Accept: "text/html" }, redirect: "error" });
  if (!answer.ok) return;
  const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("log-tail");
  const shown = document.createElement(found ? "pre" : "p");
  shown.textContent = found ? found.textContent : "It wrote nothing.";
  if (found) { shown.className = "log short"; shown.tabIndex = 0; }
  part.lastElementChild.replaceWith(shown);
}

document.documentElement.classList.add("script");
for (const element of document.querySelectorAll(".needs-script")) element.hidden = false;
localTimes(document);
themeButton(document.getElementById("theme"));
document.querySelectorAll("[data-copy]").forEach(copyButton);
document.addEventListener("toggle", lateText, true);
keepLive(localTimes);
const log = document.getElementById("log");
if (log?.dataset.job) followLog(log);
