/**
 * The texts that wait until a screen reader has read out the one before. Pure.
 *
 * @module
 */

export class Announcements {
  /** @type {{text: string, isTurn: boolean}[]} */
  #waiting = [];

  /**
   * @param {string} text
   * @param {boolean} isTurn whether it only tells whose turn it is: the next one replaces it
   */
  add(text, isTurn) {
    if (isTurn && this.#waiting.at(-1)?.isTurn) this.#waiting.pop();
    this.#waiting.push({ text, isTurn });
  }

  /** Everything that waits; empty if nothing does. */
  take() {
    const texts = this.#waiting.map(({ text }) => text);
    this.#waiting = [];
    return texts.join('. ');
  }
}
