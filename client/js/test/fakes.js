/**
 * A world that stands still until it is told to go on: clocks, timers, sockets.
 *
 * @module
 */

import { seeded } from '../bench/networks.js';

/** @typedef {import('../src/types.js').Socket} Socket */
/** @typedef {import('../src/types.js').World} World */

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

  opens() {
    this.readyState = 1;
    this.onopen?.({});
  }

  /** @param {object} message */
  hears(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** The server has said goodbye; the end itself is told later. */
  isEnding() {
    this.readyState = 2;
  }

  ends() {
    this.closed = true;
    this.readyState = 3;
    this.onclose?.({ code: 1001 });
  }

  /** @param {string} type */
  all(type) {
    return this.sent.filter((one) => one.type === type);
  }
}

/** @implements {World} */
export class FakeWorld {
  /** @type {FakeSocket[]} */
  sockets = [];
  slept = 0;
  #now = 0;
  #random;
  #numbers = 0;
  /** @type {Map<number, {at: number, callback: () => void}>} */
  #timers = new Map();
  /** @type {Set<() => void>} */
  #wakers = new Set();

  /** @param {number} [seed] */
  constructor(seed = 1) {
    this.#random = seeded(seed);
  }

  now = () => this.#now;
  wall = () => this.#now + this.slept + 1.6e12;
  random = () => this.#random();

  /** @type {World['setTimer']} */
  setTimer = (callback, delayMs) => {
    this.#timers.set((this.#numbers += 1), { at: this.#now + delayMs, callback });
    return this.#numbers;
  };

  /** @type {World['clearTimer']} */
  clearTimer = (timer) => this.#timers.delete(timer);

  /** @type {World['openSocket']} */
  openSocket = (url, protocol) => {
    const socket = new FakeSocket(url, protocol);
    this.sockets.push(socket);
    return socket;
  };

  /** @param {() => void} callback */
  onWake = (callback) => {
    this.#wakers.add(callback);
    return () => this.#wakers.delete(callback);
  };

  wake() {
    for (const waker of this.#wakers) waker();
  }

  get socket() {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error('nobody has connected');
    return socket;
  }

  get wakers() {
    return this.#wakers.size;
  }

  get timers() {
    return this.#timers.size;
  }

  /** When the next timer is due; Infinity without one. */
  get nextAt() {
    return Math.min(...[...this.#timers.values()].map((one) => one.at));
  }

  /**
   * Let time pass without any timer, as a machine does that sleeps.
   *
   * @param {number} ms
   */
  skip(ms) {
    this.#now += ms;
  }

  /**
   * Let time pass, and every timer come when it is due.
   *
   * @param {number} ms
   */
  pass(ms) {
    const until = this.#now + ms;
    for (let rounds = 0; this.nextAt <= until; rounds += 1) {
      if (rounds > 1e6) throw new Error('timers without end');
      const at = this.nextAt;
      const due = [...this.#timers].find(([, one]) => one.at === at);
      if (!due) break;
      this.#timers.delete(due[0]);
      this.#now = Math.max(this.#now, at);
      due[1].callback();
    }
    this.#now = Math.max(this.#now, until);
  }
}
