/**
 * The addresses of the API and its WebSocket.
 *
 * Pure. The server writes them into the page; the query of the page's URL overrides them
 * (`?api=https://...&ws=wss://...`), which a page on a static host needs.
 *
 * @module
 */

/** @typedef {{api: string, websocket: string}} Endpoints `api` ends with a slash */

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/**
 * @param {string} pageUrl
 * @param {{api: string, websocket: string}} configured by the server
 * @returns {Endpoints}
 */
export function resolveEndpoints(pageUrl, configured) {
  const page = new URL(pageUrl);
  const api = page.searchParams.get('api') || configured.api || '.';
  const websocket = page.searchParams.get('ws') || configured.websocket;
  return {
    api: new URL(api.endsWith('/') ? api : `${api}/`, page).href,
    websocket: websocket && reachableFrom(page, new URL(websocket)).href,
  };
}

/** @param {string} hostname */
export const isLoopback = (hostname) => LOOPBACK.includes(hostname);

/**
 * A phone that opened the page of a laptop must not connect to its own loopback address.
 *
 * @param {URL} page
 * @param {URL} websocket
 */
function reachableFrom(page, websocket) {
  if (isLoopback(websocket.hostname) && page.hostname) websocket.hostname = page.hostname;
  return websocket;
}
