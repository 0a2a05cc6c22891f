// SPDX-License-Identifier: Apache-2.0
"use strict";
const filter = document.getElementById("filter");
const rows = [...document.querySelectorAll("#table tbody tr")];
filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\s+/);
  for (const row of rows) row.hidden = !words.every((w) => row.textContent.toLowerCase().includes(w));
});
filter.addEventListener("keydown", (e) => { if (e.key === "Enter") e.preventDefault(); });
document.addEventListener("keydown", (e) => {
  if (e.key === "/" && document.activeElement !== filter) { e.preventDefault(); filter.focus(); }
});
for (const id of ["metric", "pool"]) document.getElementById(id)?.addEventListener("change", (e) => e.target.form.submit());
