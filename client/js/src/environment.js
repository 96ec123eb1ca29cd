/**
 * The client's access to the browser: clocks, randomness, timers and WebSockets.
 *
 * Nothing else in the client touches a global, so tests replace the Environment.
 *
 * @module
 */

/** @import { Environment } from './types.js' */

/** With a longer delay, a browser's timer fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** @type {Environment} */
export const browserEnvironment = {
  now: () => performance.now(),
  wallClock: () => Date.now(),
  random: () => Math.random(),
  setTimer: (callback, delayMs) => setTimeout(callback, Math.min(delayMs, MAX_TIMER_MS)),
  clearTimer: (timer) => clearTimeout(timer),
  openSocket: (url, protocol) => new WebSocket(url, protocol),
  onOffline(callback) {
    globalThis.addEventListener?.('offline', callback);
    return () => globalThis.removeEventListener?.('offline', callback);
  },
  onWake(callback) {
    const page = globalThis.document;
    const onVisible = () => page.hidden || callback();
    page?.addEventListener('visibilitychange', onVisible);
    globalThis.addEventListener?.('online', callback);
    return () => {
      page?.removeEventListener('visibilitychange', onVisible);
      globalThis.removeEventListener?.('online', callback);
    };
  },
};
