/**
 * Links to the other screens of a session, each as a code to be scanned, to copy and to open.
 *
 * Codes are drawn here: what is in a link is nobody else's business.
 *
 * @module
 */

import { isLoopback } from './addresses.js';
import { copy } from './device.js';
import { el, write } from './dom.js';
import { fragmentOf } from './place.js';
import { refusal } from './telling.js';
import { encode } from './uqr.js';

/** @import { Api } from './api.js' */
/** @import { Cast } from './cast.js' */
/** @import { Place } from './place.js' */

const SVG = 'http://www.w3.org/2000/svg';
const VIEWER = 'viewer';
const HOST = 'host';

export class Links {
  #host;
  #api;
  /** Places whose tokens are there, or under way. @type {Map<string, Promise<Place>>} */
  #places = new Map();
  #whose = el('select', { id: 'whose', onchange: () => void this.#draw() });
  #code = el('div', { className: 'code' });
  #open = el('a', { className: 'button', target: '_blank', rel: 'noopener' }, 'Open');
  #error = el('p', { className: 'error', role: 'alert' });
  #address = el('input', { readOnly: true, 'aria-label': 'Link', onfocus: () => this.#select() });
  #copy = el('button', { type: 'button', onclick: () => void this.#copied() }, 'Copy');
  #count = 0;

  /**
   * @param {Place} host where the host is
   * @param {Api} api the host's, who may make tokens for others
   */
  constructor(host, api) {
    this.#host = host;
    this.#api = api;
    const isAlone = isLoopback(location.hostname);
    this.element = el(
      'section',
      { className: 'panel links', 'aria-labelledby': 'links' },
      el('h2', { id: 'links' }, 'Screens'),
      el('label', { for: 'whose' }, 'Link for'),
      this.#whose,
      this.#error,
      this.#code,
      el('div', { className: 'buttons' }, this.#copy, this.#open),
      this.#address,
      isAlone &&
        el(
          'p',
          { className: 'hint' },
          `Other devices can’t reach ${location.hostname}: run it with --host 0.0.0.0 and open this page by the name or address of this machine.`,
        ),
    );
  }

  /** @param {Cast} cast */
  offer(cast) {
    if (this.#count === cast.people.size) return;
    this.#count = cast.people.size;
    this.#whose.replaceChildren(
      new Option('Viewer: huge digits', VIEWER),
      new Option('Host: these controls', HOST),
      ...Array.from(cast.people.values(), ({ id, name }) => new Option(name, id)),
    );
    void this.#draw();
  }

  /** @param {string} participant */
  choose(participant) {
    this.#whose.value = participant;
    void this.#draw();
    this.element.scrollIntoView({ block: 'nearest' });
    this.#whose.focus();
  }

  async #draw() {
    const { value } = this.#whose;
    write(this.#error, '');
    write(this.#copy, 'Copy');
    try {
      const place = this.#placeOf(value);
      this.#show(place instanceof Promise ? '' : addressOf(place));
      const address = addressOf(await place);
      if (value === this.#whose.value) this.#show(address);
    } catch (error) {
      if (value === this.#whose.value) write(this.#error, refusal(error));
    }
  }

  /** @param {string} address empty while there is none yet */
  #show(address) {
    if (address === this.#address.value) return;
    this.#address.value = address;
    if (address) this.#open.href = address;
    else this.#open.removeAttribute('href');
    this.#copy.disabled = !address;
    this.#code.replaceChildren(...(address ? [drawn(address)] : []));
  }

  /**
   * @param {string} whose
   * @returns {Place | Promise<Place>} of which the second has a token of its own
   */
  #placeOf(whose) {
    if (whose === HOST) return this.#host;
    const { session, token } = this.#host;
    /** @type {Place} */
    const place =
      whose === VIEWER
        ? { session, as: 'viewer' }
        : { session, as: 'participant', participant: whose };
    if (!token) return place;
    const known = this.#places.get(whose);
    if (known) return known;
    const made = this.#api
      .mint(session, place.as, place.participant)
      .then((own) => ({ ...place, token: own }));
    this.#places.set(whose, made);
    made.catch(() => this.#places.delete(whose));
    return made;
  }

  async #copied() {
    const isCopied = await copy(this.#address.value);
    write(this.#copy, isCopied ? 'Copied' : 'Press Ctrl+C');
    if (!isCopied) this.#address.focus();
  }

  #select() {
    this.#address.select();
  }
}

/** @param {Place} place */
const addressOf = (place) => new URL(fragmentOf(place), location.href).href;

/**
 * @param {string} text
 * @returns {SVGElement}
 */
function drawn(text) {
  const { data, size } = /** @type {{data: boolean[][], size: number}} */ (encode(text));
  const dark = data.flatMap((row, y) =>
    row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])),
  );
  const image = document.createElementNS(SVG, 'svg');
  image.setAttribute('viewBox', `0 0 ${size} ${size}`);
  // With a token in it a code has twice as many dots, and phones have to tell them apart.
  image.style.maxInlineSize = `${Math.min(Math.max(190, size * 4), 250)}px`;
  image.setAttribute('role', 'img');
  image.setAttribute('aria-label', 'The link as a QR code');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', dark.join(''));
  image.append(path);
  return image;
}
