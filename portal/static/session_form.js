// The new-session form follows what is filled in: fields that count now, their largest values, the domain's amounts.
function follows(form) {
  const wrappers = [...form.querySelectorAll("[data-field]")];
  const control = (wrapper) => wrapper.querySelector("input, select");

  // The value as the server would read it; a field that is not shown has none.
  function value(wrapper) {
    const input = control(wrapper);
    if (input.type === "checkbox") return input.checked;
    if (input.type !== "number") return input.value;
    const text = input.value === "" ? input.dataset.usual : input.value;
    return text === undefined ? undefined : Number(text);
  }

  function holds(condition) {
    const other = wrappers.find((wrapper) => wrapper.dataset.field === condition.field);
    return !other.hidden && condition.in.includes(value(other));
  }

  function limit(input, most) {
    const words = input.closest("[data-field]").querySelector("[data-most]");
    if (most === Infinity) input.removeAttribute("max"); else input.max = most;
    if (words) words.textContent = most === Infinity ? "" : `At most ${most}.`;
  }

  // Fields depend on fields before them, so once from top to bottom is enough.
  function follow() {
    for (const wrapper of wrappers) {
      const input = control(wrapper);
      if (wrapper.dataset.showWhen) wrapper.hidden = !holds(JSON.parse(wrapper.dataset.showWhen));
      input.disabled = wrapper.hidden;
      if (!input.dataset.maxWhen) continue;
      const caps = JSON.parse(input.dataset.maxWhen).filter(holds).map((cap) => cap.max);
      limit(input, Math.min(input.dataset.most === "" ? Infinity : Number(input.dataset.most), ...caps));
    }
  }

  function domain() {
    const group = form.elements.place.selectedOptions[0].parentElement;
    for (const hint of form.querySelectorAll("[data-of-domain]")) hint.hidden = hint.dataset.ofDomain !== group.dataset.domain;
    for (const [key, bounds] of Object.entries(JSON.parse(group.dataset.bounds))) {
      const input = form.elements[key];
      if (!input) continue;
      input.min = bounds.min;
      if (bounds.max === null) input.removeAttribute("max"); else input.max = bounds.max;
    }
  }

  for (const input of form.querySelectorAll("[data-max-when]")) input.dataset.most = input.max;
  form.addEventListener("input", follow);
  form.elements.place.addEventListener("change", domain);
  follow();
  domain();
}

const form = document.getElementById("new-session");
if (form) follows(form);
