"use strict";
// The gallery's filters; without this script every picture is shown.
(() => {
  const gallery = document.getElementById("gallery");
  if (!gallery) return;
  const variant = document.getElementById("filter-variant");
  const change = document.getElementById("filter-change");
  const text = document.getElementById("filter-text");
  const count = document.getElementById("filter-count");
  const cards = [...gallery.children];
  const apply = () => {
    const wanted = text.value.trim().toLowerCase();
    let shown = 0;
    for (const card of cards) {
      const changes = Object.entries(JSON.parse(card.dataset.changes));
      const fits = changes.some(([name, kind]) =>
        (!variant.value || name === variant.value) && (!change.value || kind === change.value));
      card.hidden = !fits || !card.dataset.text.includes(wanted);
      if (!card.hidden) shown += 1;
    }
    count.textContent = `${shown} of ${cards.length} shown`;
  };
  for (const input of [variant, change, text]) {
    for (const event of ["input", "change"]) input.addEventListener(event, apply);
  }
  document.getElementById("filters").addEventListener("reset", () => setTimeout(apply));
  document.getElementById("filters").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("filters").hidden = false;
  apply();
})();
