/**
 * Shows the screen of the URL's route. A session is connected before its view is loaded.
 *
 * @module
 */

import { el } from './dom.js';
import { resolveEndpoints } from './endpoints.js';
import { parseRoute } from './route.js';
import { SessionScreen } from './session-screen.js';

const ROOT = /** @type {HTMLElement} */ (document.querySelector('#page'));

/** @type {() => void} */
let dispose = () => {};

/** @param {string} name */
const configured = (name) =>
  document.querySelector(`meta[name=tickless-${name}]`)?.getAttribute('content') ?? '';

async function showRoute() {
  dispose();
  dispose = () => {};
  const endpoints = resolveEndpoints(location.href, {
    api: configured('api'),
    websocket: configured('websocket'),
  });
  const route = parseRoute(location.hash);
  scrollTo(0, 0);
  delete document.documentElement.dataset['overlay'];
  document.body.dataset['view'] = typeof route === 'string' ? route : route.as;
  if (route === 'create') {
    const { showCreateForm } = await import('./create-form.js');
    if (location.hash.length < 2) showCreateForm(ROOT, endpoints);
    return;
  }
  if (route === 'invalid') {
    return showNotice('This link is incomplete', 'Ask the host for a new link.');
  }
  if (!endpoints.websocket) {
    return showNotice('No WebSocket address', 'The operator must set WEBSOCKET_URL.');
  }
  const screen = new SessionScreen(route, endpoints);
  let isDisposed = false;
  dispose = () => {
    isDisposed = true;
    screen.dispose();
  };
  const view = await loadView(screen);
  if (!isDisposed) screen.show(ROOT, view);
}

/** @param {SessionScreen} screen */
async function loadView(screen) {
  switch (screen.route.as) {
    case 'host':
      return new (await import('./host-view.js')).HostView(screen);
    case 'viewer':
      return new (await import('./viewer-view.js')).ViewerView(screen);
    case 'participant':
      return new (await import('./participant-view.js')).ParticipantView(screen);
  }
}

/**
 * @param {string} title
 * @param {string} text
 */
function showNotice(title, text) {
  ROOT.replaceChildren(
    el(
      'section',
      { className: 'notice' },
      el('h1', {}, title),
      el('p', {}, text),
      el('p', {}, el('a', { className: 'button', href: '#' }, 'New session')),
    ),
  );
}

addEventListener('hashchange', () => void showRoute());
void showRoute();
