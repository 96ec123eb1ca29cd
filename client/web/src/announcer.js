/**
 * The page's one live region: says what has happened, and doesn't chatter.
 *
 * Of what comes faster than it can be read aloud only the last is said.
 *
 * @module
 */

import { write } from './dom.js';

const PAUSE_MS = 1_500;

export class Announcer {
  #region;
  /** @type {string | null} */
  #next = null;
  #isPausing = false;

  /** @param {HTMLElement} region */
  constructor(region) {
    this.#region = region;
  }

  /** @param {string} text */
  say(text) {
    this.#next = text;
    if (!this.#isPausing) this.#speak();
  }

  #speak() {
    this.#isPausing = this.#next !== null;
    if (this.#next === null) return;
    // The same once more would be no change, and not be read.
    const same = this.#region.textContent === this.#next;
    write(this.#region, same ? `${this.#next}\u00a0` : this.#next);
    this.#next = null;
    setTimeout(() => this.#speak(), PAUSE_MS);
  }
}
