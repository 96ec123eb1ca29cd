/**
 * The page's one live region, for screen readers.
 *
 * @module
 */

import { Announcements } from './announcements.js';
import { setText } from './dom.js';

const PAUSE_MS = 1_500;

export class Announcer {
  #region;
  #waiting = new Announcements();
  #isPausing = false;

  /** @param {HTMLElement} region */
  constructor(region) {
    this.#region = region;
  }

  /**
   * @param {string} text
   * @param {boolean} [isTurn] whether it only tells whose turn it is
   */
  announce(text, isTurn = false) {
    this.#waiting.add(text, isTurn);
    if (!this.#isPausing) this.#announceNext();
  }

  #announceNext() {
    const text = this.#waiting.take();
    this.#isPausing = text !== '';
    if (!this.#isPausing) return;
    // Screen readers ignore a text that does not change.
    const isSame = this.#region.textContent === text;
    setText(this.#region, isSame ? `${text}\u00a0` : text);
    setTimeout(() => this.#announceNext(), PAUSE_MS);
  }
}
