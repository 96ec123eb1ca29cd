/*
 * Writes down, in whatever page it is put into before anything else, each change of what stands in
 * an element with `data-participant`, and each state that a WebSocket brings, in one list and in
 * the order in which they came. All instants are of the time of day, in milliseconds.
 */
(() => {
  const MARKED = '[data-participant]';
  const notes = [];
  const texts = new WeakMap();
  // Held on to, so that a page whose clock is tampered with is still timed by the true one.
  const sinceOpened = performance.now.bind(performance);
  const now = () => performance.timeOrigin + sinceOpened();

  window.recorder = { openedAt: performance.timeOrigin, notes, sockets: 0 };

  function look(element, at) {
    const text = element.textContent;
    if (texts.get(element) === text) return;
    texts.set(element, text);
    notes.push({ at, participant: element.dataset.participant, text });
  }

  new MutationObserver((mutations) => {
    const at = now();
    const touched = new Set();
    for (const { target, addedNodes } of mutations) {
      const around = (target.parentElement ?? target).closest?.(MARKED);
      for (const one of [around, target, ...addedNodes]) {
        if (one?.matches?.(MARKED)) touched.add(one);
      }
      for (const one of addedNodes) {
        for (const inner of one.querySelectorAll?.(MARKED) ?? []) touched.add(inner);
      }
    }
    for (const element of touched) look(element, at);
  }).observe(document, { subtree: true, childList: true, characterData: true, attributeFilter: ['data-participant'] });

  window.WebSocket = class extends WebSocket {
    constructor(...address) {
      super(...address);
      window.recorder.sockets += 1;
      this.addEventListener('message', ({ data }) => {
        const { type = '', version = 0 } = JSON.parse(data);
        if (/^STATE|^SESSION/.test(type)) notes.push({ at: now(), version });
      });
    }
  };
})();
