/**
 * The clocks of all participants: cards, or, of very many, the rows that are in sight.
 *
 * @module
 */

import { el } from './dom.js';

/** @typedef {{element: HTMLElement}} Tile */

/** More cards than this are rows. */
const MOST_CARDS = 120;
const ROW_PX = 76;
const BEYOND = 4;

/** @template {Tile} T */
export class Roster {
  #make;
  /** @type {string[]} */
  #ids = [];
  /** @type {Map<string, T>} */
  #tiles = new Map();
  #isLong = false;
  #space = el('div', { className: 'space', role: 'list' });
  element = el('div', { className: 'roster' }, this.#space);

  /** @param {(id: string) => T} make */
  constructor(make) {
    this.#make = make;
    this.element.addEventListener('scroll', () => this.#window(), { passive: true });
    new ResizeObserver(() => this.#window()).observe(this.element);
  }

  /** Those that are drawn. */
  get tiles() {
    return this.#tiles;
  }

  /**
   * @param {string[]} ids who is to be shown
   * @param {number} all how many there are, shown or not
   */
  show(ids, all) {
    if (ids.join() === this.#ids.join()) return;
    this.#ids = ids;
    this.#isLong = all > MOST_CARDS;
    this.element.classList.toggle('long', this.#isLong);
    this.#space.style.height = this.#isLong ? `${ids.length * ROW_PX}px` : '';
    this.element.scrollTop = 0;
    if (this.#isLong) this.#window();
    else this.#draw(ids, 0);
  }

  #window() {
    if (!this.#isLong) return;
    const { scrollTop, clientHeight } = this.element;
    const from = Math.max(0, Math.floor(scrollTop / ROW_PX) - BEYOND);
    const to = Math.ceil((scrollTop + clientHeight) / ROW_PX) + BEYOND;
    this.#draw(this.#ids.slice(from, to), from);
  }

  /**
   * @param {string[]} ids
   * @param {number} from the place of the first among all
   */
  #draw(ids, from) {
    const kept = this.#tiles;
    this.#tiles = new Map();
    ids.forEach((id, at) => {
      let tile = kept.get(id);
      if (!tile) {
        tile = this.#make(id);
        tile.element.setAttribute('role', 'listitem');
      }
      kept.delete(id);
      this.#tiles.set(id, tile);
      const { element } = tile;
      element.setAttribute('aria-setsize', String(this.#ids.length));
      element.setAttribute('aria-posinset', String(from + at + 1));
      element.style.setProperty(
        'inset-block-start',
        this.#isLong ? `${(from + at) * ROW_PX}px` : '',
      );
      if (this.#space.children[at] !== element) {
        this.#space.insertBefore(element, this.#space.children[at] ?? null);
      }
    });
    for (const { element } of kept.values()) element.remove();
  }
}
