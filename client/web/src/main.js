/**
 * Reads where one is and shows that; a session is connected to before anything else is loaded.
 *
 * @module
 */

import { addressesOf } from './addresses.js';
import { el } from './dom.js';
import { readPlace } from './place.js';
import { Room } from './room.js';

const ROOT = /** @type {HTMLElement} */ (document.querySelector('#page'));

/** @type {() => void} */
let leave = () => {};

/** @param {string} name */
const told = (name) =>
  document.querySelector(`meta[name=tickless-${name}]`)?.getAttribute('content') ?? '';

async function show() {
  leave();
  leave = () => {};
  const addresses = addressesOf(location.href, { api: told('api'), websocket: told('websocket') });
  const place = readPlace(location.hash);
  scrollTo(0, 0);
  document.body.dataset['view'] = typeof place === 'string' ? place : place.as;
  if (place === 'form') {
    const { showForm } = await import('./create.js');
    if (location.hash.length < 2) showForm(ROOT, addresses);
    return;
  }
  if (place === 'broken') return say('This link is incomplete', 'Ask for it once more.');
  if (!addresses.websocket) {
    return say('No address to connect to', 'Whoever runs this has to set WEBSOCKET_URL.');
  }
  const room = new Room(place, addresses);
  let hasLeft = false;
  leave = () => {
    hasLeft = true;
    room.leave();
  };
  const view = await viewOf(room);
  if (!hasLeft) room.show(ROOT, view);
}

/** @param {Room} room */
async function viewOf(room) {
  switch (room.place.as) {
    case 'host':
      return new (await import('./host.js')).Host(room);
    case 'viewer':
      return new (await import('./viewer.js')).Viewer(room);
    case 'participant':
      return new (await import('./participant.js')).Participant(room);
  }
}

/**
 * @param {string} headline
 * @param {string} text
 */
function say(headline, text) {
  ROOT.replaceChildren(
    el(
      'section',
      { className: 'notice' },
      el('h1', {}, headline),
      el('p', {}, text),
      el('p', {}, el('a', { className: 'button', href: '#' }, 'New session')),
    ),
  );
}

addEventListener('hashchange', () => void show());
void show();
