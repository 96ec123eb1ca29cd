/**
 * The clocks of all participants: as cards, or, if there are very many, as a virtual list of rows.
 *
 * @module
 */

import { el } from './dom.js';

/** @typedef {{element: HTMLElement}} Card */

const MAX_CARDS = 120;
const ROW_PX = 76;
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
  #content = el('div', { className: 'content', role: 'list' });
  element = el('div', { className: 'participant-list' }, this.#content);

  /** @param {(id: string) => T} createCard */
  constructor(createCard) {
    this.#createCard = createCard;
    this.element.addEventListener('scroll', () => this.#drawVisible(), { passive: true });
    new ResizeObserver(() => this.#drawVisible()).observe(this.element);
  }

  /** The cards that are drawn, by participant id. */
  get cards() {
    return this.#cards;
  }

  /**
   * @param {string[]} ids of the participants to show
   * @param {number} total number of participants, shown or not
   */
  show(ids, total) {
    if (ids.join() === this.#ids.join()) return;
    this.#ids = ids;
    this.#isVirtual = total > MAX_CARDS;
    this.element.classList.toggle('virtual', this.#isVirtual);
    this.#content.style.height = this.#isVirtual ? `${ids.length * ROW_PX}px` : '';
    this.element.scrollTop = 0;
    if (this.#isVirtual) this.#drawVisible();
    else this.#draw(ids, 0);
  }

  #drawVisible() {
    if (!this.#isVirtual) return;
    const { scrollTop, clientHeight } = this.element;
    const from = Math.max(0, Math.floor(scrollTop / ROW_PX) - OVERSCAN);
    const to = Math.ceil((scrollTop + clientHeight) / ROW_PX) + OVERSCAN;
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
        this.#isVirtual ? `${(from + index) * ROW_PX}px` : '',
      );
      if (this.#content.children[index] !== element) {
        this.#content.insertBefore(element, this.#content.children[index] ?? null);
      }
    });
    for (const { element } of previous.values()) element.remove();
  }
}
