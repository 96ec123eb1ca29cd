/**
 * The page's one live region, for screen readers.
 *
 * If messages arrive faster than they can be read aloud, only the newest is announced.
 *
 * @module
 */

import { setText } from './dom.js';

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
  announce(text) {
    this.#next = text;
    if (!this.#isPausing) this.#announceNext();
  }

  #announceNext() {
    this.#isPausing = this.#next !== null;
    if (this.#next === null) return;
    // Screen readers ignore a text that does not change.
    const isSame = this.#region.textContent === this.#next;
    setText(this.#region, isSame ? `${this.#next}\u00a0` : this.#next);
    this.#next = null;
    setTimeout(() => this.#announceNext(), PAUSE_MS);
  }
}
