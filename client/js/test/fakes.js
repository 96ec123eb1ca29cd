/**
 * A fake environment: sockets whose other end the test holds, and clocks and timers that the test
 * advances.
 *
 * @module
 */

import { seeded } from '../bench/networks.js';

/** @import { Environment, Socket } from '../src/types.js' */

/** @implements {Socket} */
export class FakeSocket {
  /** @type {Socket['onopen']} */
  onopen = null;
  /** @type {Socket['onmessage']} */
  onmessage = null;
  /** @type {Socket['onclose']} */
  onclose = null;
  /** @type {Socket['onerror']} */
  onerror = null;
  /** @type {any[]} */
  sent = [];
  closed = false;
  readyState = 0;
  /** @type {(message: any) => void} */
  onsent = () => {};

  /**
   * @param {string} url
   * @param {string} [protocol]
   */
  constructor(url, protocol = '') {
    this.url = url;
    this.protocol = protocol;
  }

  /** @param {string} data */
  send(data) {
    const message = JSON.parse(data);
    this.sent.push(message);
    this.onsent(message);
  }

  close() {
    this.closed = true;
    this.readyState = 2;
  }

  open() {
    this.readyState = 1;
    this.onopen?.({});
  }

  /** @param {object} message */
  deliver(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** The closing handshake has started; `end` completes it. */
  startClosing() {
    this.readyState = 2;
  }

  end() {
    this.closed = true;
    this.readyState = 3;
    this.onclose?.({ code: 1001 });
  }

  /** @param {string} type */
  sentOfType(type) {
    return this.sent.filter((one) => one.type === type);
  }
}

/** @implements {Environment} */
export class FakeEnvironment {
  /** @type {FakeSocket[]} */
  sockets = [];
  slept = 0;
  #now = 0;
  #random;
  #numbers = 0;
  /** @type {Map<number, {at: number, callback: () => void}>} */
  #timers = new Map();
  /** @type {Set<() => void>} */
  #wakeListeners = new Set();
  /** @type {Set<() => void>} */
  #offlineListeners = new Set();

  /** @param {number} [seed] */
  constructor(seed = 1) {
    this.#random = seeded(seed);
  }

  now = () => this.#now;
  wallClock = () => this.#now + this.slept + 1.6e12;
  random = () => this.#random();

  /** @type {Environment['setTimer']} */
  setTimer = (callback, delayMs) => {
    this.#timers.set((this.#numbers += 1), { at: this.#now + delayMs, callback });
    return this.#numbers;
  };

  /** @type {Environment['clearTimer']} */
  clearTimer = (timer) => this.#timers.delete(timer);

  /** @type {Environment['openSocket']} */
  openSocket = (url, protocol) => {
    const socket = new FakeSocket(url, protocol);
    this.sockets.push(socket);
    return socket;
  };

  /** @param {() => void} callback */
  onWake = (callback) => {
    this.#wakeListeners.add(callback);
    return () => this.#wakeListeners.delete(callback);
  };

  /** @param {() => void} callback */
  onOffline = (callback) => {
    this.#offlineListeners.add(callback);
    return () => this.#offlineListeners.delete(callback);
  };

  goOffline() {
    for (const listener of this.#offlineListeners) listener();
  }

  wake() {
    for (const listener of this.#wakeListeners) listener();
  }

  get socket() {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error('no connection has been opened');
    return socket;
  }

  get listenerCount() {
    return this.#wakeListeners.size + this.#offlineListeners.size;
  }

  get timerCount() {
    return this.#timers.size;
  }

  /** When the next timer fires; Infinity without one. */
  get nextTimerAt() {
    return Math.min(...[...this.#timers.values()].map((one) => one.at));
  }

  /**
   * Let time pass without firing timers, as on a machine that sleeps.
   *
   * @param {number} ms
   */
  skip(ms) {
    this.#now += ms;
  }

  /**
   * Let time pass, and fire every timer when it is due.
   *
   * @param {number} ms
   */
  advance(ms) {
    const until = this.#now + ms;
    for (let rounds = 0; this.nextTimerAt <= until; rounds += 1) {
      if (rounds > 1e6) throw new Error('timers never end');
      const at = this.nextTimerAt;
      const due = [...this.#timers].find(([, one]) => one.at === at);
      if (!due) break;
      this.#timers.delete(due[0]);
      this.#now = Math.max(this.#now, at);
      due[1].callback();
    }
    this.#now = Math.max(this.#now, until);
  }
}
