/**
 * What this browser remembers, where it remembers anything.
 *
 * @module
 */

/** @type {(name: string) => boolean} */
export function remembered(name) {
  try {
    return localStorage.getItem(`tickless.${name}`) === 'on';
  } catch {
    // Storage may be switched off, and nothing depends on it.
    return false;
  }
}

/** @type {(name: string, on: boolean) => void} */
export function remember(name, on) {
  try {
    localStorage.setItem(`tickless.${name}`, on ? 'on' : 'off');
  } catch {
    // As above.
  }
}
