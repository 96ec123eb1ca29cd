/**
 * The links to a session's screens, with a QR code, to copy and to open.
 *
 * QR codes are drawn here, because a link contains a token and must not be sent to any service.
 *
 * @module
 */

import { copyText } from './device.js';
import { el, setText } from './dom.js';
import { isLoopback } from './endpoints.js';
import { errorText } from './event-text.js';
import { formatRoute } from './route.js';
import { encode } from './uqr.js';

/** @import { Api } from './api.js' */
/** @import { SessionNames } from './names.js' */
/** @import { Route } from './route.js' */

const SVG = 'http://www.w3.org/2000/svg';
const VIEWER = 'viewer';
const HOST = 'host';
/** A viewer's link, for OBS and slides. */
const OVERLAY = 'overlay';

export class ShareLinks {
  #hostRoute;
  #api;
  /** Routes with a token, or a pending one, by recipient. @type {Map<string, Promise<Route>>} */
  #routes = new Map();
  #recipient = el('select', { id: 'recipient', onchange: () => void this.#update() });
  #code = el('div', { className: 'qr-code' });
  #open = el('a', { className: 'button', target: '_blank', rel: 'noopener' }, 'Open');
  #error = el('p', { className: 'error', role: 'alert' });
  #link = el('input', {
    readOnly: true,
    'aria-label': 'Link',
    onfocus: () => this.#link.select(),
  });
  #copy = el('button', { type: 'button', onclick: () => void this.#copyLink() }, 'Copy');
  #labels = '';

  /**
   * @param {Route} hostRoute
   * @param {Api} api with the host's token, which may mint others
   */
  constructor(hostRoute, api) {
    this.#hostRoute = hostRoute;
    this.#api = api;
    this.element = el(
      'section',
      { className: 'panel share-links', 'aria-labelledby': 'share-links' },
      el('h2', { id: 'share-links' }, 'Share'),
      el('label', { for: 'recipient' }, 'Link for'),
      this.#recipient,
      this.#error,
      this.#code,
      el('div', { className: 'buttons' }, this.#copy, this.#open),
      this.#link,
      isLoopback(location.hostname) &&
        el(
          'p',
          { className: 'hint' },
          `Other devices can’t reach ${location.hostname}. Run with --host 0.0.0.0, and open this page at the machine’s name or address.`,
        ),
    );
  }

  /** @param {SessionNames} names */
  setNames({ participants }) {
    const labels = Array.from(participants.values(), ({ id, name }) => `${id}${name}`).join();
    if (labels === this.#labels) return;
    this.#labels = labels;
    const { value } = this.#recipient;
    this.#recipient.replaceChildren(
      new Option('Viewer (large clocks)', VIEWER),
      new Option('Host (all controls)', HOST),
      new Option('Overlay (digits only)', OVERLAY),
      ...Array.from(participants.values(), ({ id, name }) => new Option(name, id)),
    );
    // Whose link is shown stays so when another participant joins.
    if (value) this.#recipient.value = value;
    void this.#update();
  }

  /** @param {string} participant */
  select(participant) {
    this.#recipient.value = participant;
    void this.#update();
    this.element.scrollIntoView({ block: 'nearest' });
    this.#recipient.focus();
  }

  async #update() {
    const { value } = this.#recipient;
    setText(this.#error, '');
    setText(this.#copy, 'Copy');
    try {
      const route = this.#routeFor(value);
      const isOverlay = value === OVERLAY;
      this.#show(route instanceof Promise ? '' : urlOf(route, isOverlay));
      const url = urlOf(await route, isOverlay);
      if (value === this.#recipient.value) this.#show(url);
    } catch (error) {
      if (value === this.#recipient.value) setText(this.#error, errorText(error));
    }
  }

  /** @param {string} url empty until the token has arrived */
  #show(url) {
    if (url === this.#link.value) return;
    this.#link.value = url;
    if (url) this.#open.href = url;
    else this.#open.removeAttribute('href');
    this.#copy.disabled = !url;
    this.#code.replaceChildren(...(url ? [qrCode(url)] : []));
  }

  /**
   * @param {string} recipient
   * @returns {Route | Promise<Route>} a promise if a token has to be minted
   */
  #routeFor(recipient) {
    if (recipient === HOST) return this.#hostRoute;
    const { session, token } = this.#hostRoute;
    /** @type {Route} */
    const route =
      recipient === VIEWER || recipient === OVERLAY
        ? { session, as: 'viewer' }
        : { session, as: 'participant', participant: recipient };
    if (!token) return route;
    const known = this.#routes.get(recipient);
    if (known) return known;
    const minted = this.#api
      .mintToken(session, route.as, route.participant)
      .then((own) => ({ ...route, token: own }));
    this.#routes.set(recipient, minted);
    minted.catch(() => this.#routes.delete(recipient));
    return minted;
  }

  async #copyLink() {
    const isCopied = await copyText(this.#link.value);
    setText(this.#copy, isCopied ? 'Copied' : 'Press Ctrl+C');
    if (!isCopied) this.#link.focus();
  }
}

/**
 * @param {Route} route
 * @param {boolean} isOverlay
 */
function urlOf(route, isOverlay) {
  const url = new URL(formatRoute(route), location.href);
  if (isOverlay) url.search += `${url.search ? '&' : '?'}clean`;
  return url.href;
}

/**
 * @param {string} text
 * @returns {SVGElement}
 */
function qrCode(text) {
  const { data, size } = /** @type {{data: boolean[][], size: number}} */ (encode(text));
  const modules = data.flatMap((row, y) =>
    row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])),
  );
  const image = document.createElementNS(SVG, 'svg');
  image.setAttribute('viewBox', `0 0 ${size} ${size}`);
  // A link with a token needs more modules, which must stay large enough for cameras.
  image.style.maxInlineSize = `${Math.min(Math.max(190, size * 4), 250)}px`;
  image.setAttribute('role', 'img');
  image.setAttribute('aria-label', 'QR code of the link');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', modules.join(''));
  image.append(path);
  return image;
}
