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
import { encode } from './uqr.js';

/** @typedef {import('./cast.js').Cast} Cast */
/** @typedef {import('./place.js').Place} Place */

const SVG = 'http://www.w3.org/2000/svg';
const VIEWER = 'viewer';
const HOST = 'host';

export class Links {
  #host;
  #tokens;
  #whose = el('select', { id: 'whose', onchange: () => this.#draw() });
  #code = el('div', { className: 'code' });
  #open = el('a', { className: 'button', target: '_blank', rel: 'noopener' }, 'Open');
  #address = el('input', { readOnly: true, 'aria-label': 'Link', onfocus: () => this.#select() });
  #copy = el('button', { type: 'button', onclick: () => void this.#copied() }, 'Copy');
  #count = 0;

  /**
   * @param {Place} host where the host is
   * @param {Record<string, string>} tokens of the others, by participant or `viewer`
   */
  constructor(host, tokens) {
    this.#host = host;
    this.#tokens = tokens;
    const isAlone = isLoopback(location.hostname);
    this.element = el(
      'section',
      { className: 'panel links', 'aria-labelledby': 'links' },
      el('h2', { id: 'links' }, 'Screens'),
      el('label', { for: 'whose' }, 'Link for'),
      this.#whose,
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
    this.#draw();
  }

  /** @param {string} participant */
  choose(participant) {
    this.#whose.value = participant;
    this.#draw();
    this.element.scrollIntoView({ block: 'nearest' });
    this.#whose.focus();
  }

  #draw() {
    const address = new URL(fragmentOf(this.#place(this.#whose.value)), location.href).href;
    this.#open.href = address;
    this.#address.value = address;
    write(this.#copy, 'Copy');
    this.#code.replaceChildren(drawn(address));
  }

  /**
   * @param {string} whose
   * @returns {Place}
   */
  #place(whose) {
    if (whose === HOST) return this.#host;
    const { session } = this.#host;
    const token = this.#tokens[whose];
    const more = token ? { token } : {};
    if (whose === VIEWER) return { session, as: 'viewer', ...more };
    return { session, as: 'participant', participant: whose, ...more };
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
  image.setAttribute('role', 'img');
  image.setAttribute('aria-label', 'The link as a QR code');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', dark.join(''));
  image.append(path);
  return image;
}
