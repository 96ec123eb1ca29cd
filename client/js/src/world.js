/**
 * The browser, as the other parts want it. Nothing else touches a global.
 *
 * @module
 */

/** @typedef {import('./types.js').World} World */

/** @type {World} */
export const browser = {
  now: () => performance.now(),
  wall: () => Date.now(),
  random: () => Math.random(),
  setTimer: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimer: (timer) => clearTimeout(timer),
  openSocket: (url, protocol) => new WebSocket(url, protocol),
  onWake(callback) {
    const page = globalThis.document;
    const seen = () => page.hidden || callback();
    page?.addEventListener('visibilitychange', seen);
    globalThis.addEventListener?.('online', callback);
    return () => {
      page?.removeEventListener('visibilitychange', seen);
      globalThis.removeEventListener?.('online', callback);
    };
  },
};
