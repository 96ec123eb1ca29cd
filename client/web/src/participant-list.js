/**
 * The clocks of all participants: as cards or rows, or, if there are very many, as a virtual list of
 * rows.
 *
 * @module
 */

import { el } from './dom.js';

/** @typedef {{element: HTMLElement}} Card */

const MAX_CARDS = 120;
/** Rows drawn above and below the visible ones. */
const OVERSCAN = 4;

/** @template {Card} T */
export class ParticipantList {
  #createCard;
  /** @type {string[]} */
  #ids = [];
  /** @type {Map<string, T>} */
  #cards = new Map();
  #isVirtual = false;
  /** The height of a row, which depends on the width of the page. */
  #rowPx = 0;
  #content = el('div', { className: 'content', role: 'list' });
  element = el('div', { className: 'participant-list' }, this.#content);

  /** @param {(id: string) => T} createCard */
  constructor(createCard) {
    this.#createCard = createCard;
    this.element.addEventListener('scroll', () => this.#drawVisible(), { passive: true });
    new ResizeObserver(() => this.#measure()).observe(this.element);
  }

  /** The cards that are drawn, by participant id. */
  get cards() {
    return this.#cards;
  }

  /**
   * @param {string[]} ids of the participants to show
   * @param {number} total number of participants, shown or not
   * @param {'cards' | 'rows' | 'tiles'} layout where there are not too many
   */
  show(ids, total, layout) {
    if (ids.join() === this.#ids.join()) return;
    // Another order must not move the list away from what is being read.
    if (ids.length !== this.#ids.length) this.element.scrollTop = 0;
    this.#ids = ids;
    this.#isVirtual = total > MAX_CARDS;
    const shown = this.#isVirtual ? 'virtual rows' : layout;
    this.element.className = `participant-list ${shown}`;
    if (this.#isVirtual) this.#measure();
    else this.#draw(ids, 0);
  }

  #measure() {
    this.#rowPx = parseFloat(getComputedStyle(this.element).getPropertyValue('--row'));
    this.#content.style.height = this.#isVirtual ? `${this.#ids.length * this.#rowPx}px` : '';
    this.#drawVisible();
  }

  #drawVisible() {
    if (!this.#isVirtual || !this.#rowPx) return;
    const { scrollTop, clientHeight } = this.element;
    const from = Math.max(0, Math.floor(scrollTop / this.#rowPx) - OVERSCAN);
    const to = Math.ceil((scrollTop + clientHeight) / this.#rowPx) + OVERSCAN;
    this.#draw(this.#ids.slice(from, to), from);
  }

  /**
   * @param {string[]} ids
   * @param {number} from index of the first among all
   */
  #draw(ids, from) {
    const previous = this.#cards;
    this.#cards = new Map();
    ids.forEach((id, index) => {
      let card = previous.get(id);
      if (!card) {
        card = this.#createCard(id);
        card.element.setAttribute('role', 'listitem');
      }
      previous.delete(id);
      this.#cards.set(id, card);
      const { element } = card;
      element.setAttribute('aria-setsize', String(this.#ids.length));
      element.setAttribute('aria-posinset', String(from + index + 1));
      element.style.setProperty(
        'inset-block-start',
        this.#isVirtual ? `${(from + index) * this.#rowPx}px` : '',
      );
      if (this.#content.children[index] !== element) {
        this.#content.insertBefore(element, this.#content.children[index] ?? null);
      }
    });
    for (const { element } of previous.values()) element.remove();
  }
}
