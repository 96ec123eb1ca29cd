/*
 * Records, in order, each change of the text of elements with `data-participant`, and each state
 * that arrives on a WebSocket. Must run before the page's own scripts. All instants are in
 * milliseconds since the epoch.
 */
(() => {
  const CLOCK = '[data-participant]';
  const entries = [];
  const texts = new WeakMap();
  // Bound early, so that a test can replace the page's performance.now.
  const sinceOpened = performance.now.bind(performance);
  const now = () => performance.timeOrigin + sinceOpened();

  window.recorder = { openedAt: performance.timeOrigin, entries, sockets: 0 };

  function record(element, at) {
    const text = element.textContent;
    if (texts.get(element) === text) return;
    texts.set(element, text);
    entries.push({ at, participant: element.dataset.participant, text });
  }

  new MutationObserver((mutations) => {
    const at = now();
    const changed = new Set();
    for (const { target, addedNodes } of mutations) {
      const ancestor = (target.parentElement ?? target).closest?.(CLOCK);
      for (const one of [ancestor, target, ...addedNodes]) {
        if (one?.matches?.(CLOCK)) changed.add(one);
      }
      for (const one of addedNodes) {
        for (const inner of one.querySelectorAll?.(CLOCK) ?? []) changed.add(inner);
      }
    }
    for (const element of changed) record(element, at);
  }).observe(document, { subtree: true, childList: true, characterData: true, attributeFilter: ['data-participant'] });

  window.WebSocket = class extends WebSocket {
    constructor(...address) {
      super(...address);
      window.recorder.sockets += 1;
      this.addEventListener('message', ({ data }) => {
        const { type = '', version = 0 } = JSON.parse(data);
        if (/^STATE|^SESSION/.test(type)) entries.push({ at: now(), version });
      });
    }
  };
})();
