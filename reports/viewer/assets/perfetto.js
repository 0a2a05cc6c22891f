// SPDX-License-Identifier: Apache-2.0
// Hands the trace to the Perfetto UI: PING it until it answers PONG, then post
// the bytes.
"use strict";
const page = document.getElementById("handoff").dataset;
const state = document.getElementById("state");
const say = (text) => { state.textContent = text; };

document.getElementById("open").addEventListener("click", async () => {
  const ui = window.open(page.link); // at once: browsers allow it in answer to a click only
  if (!ui) {
    say("The browser blocked the window. Allow windows for this page, and try again.");
    return;
  }
  say("Making the trace…");
  const ready = new Promise((done, fail) => {
    const began = Date.now();
    const timer = setInterval(() => {
      if (ui.closed || Date.now() - began > 60000) {
        clearInterval(timer);
        fail(new Error(ui.closed ? "The window of the Perfetto UI was closed." : "The Perfetto UI did not answer within a minute. Is " + page.origin + " within reach?"));
        return;
      }
      ui.postMessage("PING", page.origin);
    }, 100);
    window.addEventListener("message", (e) => {
      if (e.origin === page.origin && e.source === ui && e.data === "PONG") {
        clearInterval(timer);
        done();
      }
    });
  });
  try {
    const [buffer] = await Promise.all([bytes(), ready]);
    ui.postMessage({ perfetto: { buffer, title: page.title, fileName: page.file } }, page.origin, [buffer]);
    say("Handed over.");
  } catch (problem) {
    say(problem.message);
  }
});

async function bytes() {
  const answer = await fetch(page.trace);
  if (!answer.ok) throw new Error("No trace: " + answer.status + " " + answer.statusText);
  return answer.arrayBuffer();
}
