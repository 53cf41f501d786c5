// Follow a job's log: ask the API for what came since, while the tab is seen and until the job is over.
const EVERY = 1500;
const PIECE = 262144;
const KEEP = 2_000_000; // characters kept on the page; the file has all

export function followLog(log) {
  const follow = document.getElementById("follow");
  const state = document.getElementById("log-state");
  let next = Number(log.dataset.next);
  let running = false;
  let timer;

  const toEnd = () => { if (follow.checked) log.scrollTop = log.scrollHeight; };
  const add = (text) => {
    if (!text) return;
    log.append(text);
    if (log.textContent.length > KEEP) log.textContent = log.textContent.slice(-KEEP / 2);
    state.textContent = "";
    toEnd();
  };
  const look = async () => {
    if (running || document.hidden) return;
    running = true;
    try {
      for (let more = true; more;) {
        const asked = new URLSearchParams({ stream: log.dataset.stream, offset: next, length: PIECE });
        if (log.dataset.task) asked.set("task", log.dataset.task);
        const answer = await fetch(`/api/v1/jobs/${log.dataset.job}/log?${asked}`);
        if (!answer.ok) break;
        const piece = await answer.json();
        add(piece.text);
        more = piece.next > next && piece.next < piece.size;
        next = piece.next;
        if (piece.final) { clearInterval(timer); break; }
      }
    } catch { /* The next look may do better. */ } finally { running = false; }
  };
  log.addEventListener("scroll", () => {
    if (log.scrollTop + log.clientHeight < log.scrollHeight - 40) follow.checked = false;
  });
  follow.addEventListener("change", toEnd);
  document.getElementById("find").addEventListener("input", (event) => find(log, event.target.value));
  timer = setInterval(look, EVERY);
  toEnd();
  look();
}

// Mark what is found without touching the text (CSS Custom Highlight API), and go to the first.
function find(log, words) {
  const found = document.getElementById("found");
  CSS.highlights?.delete("found");
  if (!words) { found.textContent = ""; return; }
  const ranges = [];
  for (const node of log.childNodes) {
    const text = node.data?.toLowerCase() ?? "";
    for (let at = text.indexOf(words.toLowerCase()); at >= 0 && ranges.length < 1000; at = text.indexOf(words.toLowerCase(), at + words.length)) {
      const range = new Range();
      range.setStart(node, at);
      range.setEnd(node, at + words.length);
      ranges.push(range);
    }
  }
  if (ranges.length && globalThis.Highlight) CSS.highlights.set("found", new Highlight(...ranges));
  found.textContent = ranges.length === 1 ? "1 place" : `${ranges.length} places`;
  ranges[0]?.startContainer.parentElement.scrollTo({ top: ranges[0].getBoundingClientRect().top - log.getBoundingClientRect().top + log.scrollTop - 40 });
  if (ranges.length) document.getElementById("follow").checked = false;
}
